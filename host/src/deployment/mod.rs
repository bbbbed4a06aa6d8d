//! Models brought from a registry into the repository that a model server reads, and loaded: what
//! an operator does, never an action.
//!
//! [`Deployments`] knows three places: where models come from ([`Source`]: MLflow's registry, or
//! this machine), the model repository (`TRITON_MODEL_REPO`: a folder or S3), and who runs them
//! (Triton). Without Triton the repository is the folder of models that are run in process, and
//! loading one is trying whether it can be.
//!
//! * **Versions.** A version of MLflow is the version of the same number on the server. Unless a
//!   model's own `config.pbtxt` says which are served, the one that was deployed last is.
//! * **All or nothing.** Files are gathered beside the repository, written where nothing of the
//!   server's is, and loaded. When that fails, is stopped or takes too long, the repository gets
//!   back what it had and the server is told to load that. A server that is told to load goes on to
//!   answer with what it had until the new one can.
//! * **Who deployed it** is written beside the model ([`Record`]), as MLflow's deployment plugin
//!   for Triton writes it. What has no record is not touched.

mod changes;
mod configuration;
mod deploy;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod package;
mod progress;
mod record;
mod repository;
mod server;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use package::Flavor;
pub use progress::{Progress, Step};
pub use record::Record;
pub use source::Source;

use crate::budget::{CallBudget, MemoryBudget};
use crate::config::{Config, ModelRepositoryConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::inference::embedded::EmbeddedLimits;
use crate::inference::triton::{ModelStatistics, TritonInference};
use crate::inference::{IndexedModel, ModelMetadata};
use crate::model_registry::ModelRegistry;
use crate::object_storage::s3::S3Store;
use crate::object_storage::{ObjectStorage, StorageLimits};
use deploy::check_name;
use record::RECORD;
use repository::{Folder, Objects, Repository};
use server::ModelServer;

/// How long a server that does not answer yet is left alone.
const PAUSE: Duration = Duration::from_millis(500);
/// What is held in memory: parts of files on their way, lists of files.
const MEMORY: u64 = 1 << 30;

/// What is to be deployed.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where the model comes from.
    pub source: Source,
    /// What it is called on the server; none for the source's own name.
    pub name: Option<String>,
    /// What kind of files it is made of; none to tell it by the files.
    pub flavor: Option<Flavor>,
    /// Its version on the server, for a source that has none of its own; none for the next one.
    pub version: Option<u64>,
    /// Whether the versions that are served go on to be, beside this one.
    pub keep: bool,
    /// The ONNX file that is meant, relative to the model's files; none for the only one, or
    /// `model.onnx`.
    pub file: Option<String>,
}

/// How something is done.
pub struct Terms<'a> {
    /// When it has failed, if it is not done by then.
    pub deadline: Instant,
    /// Whether a server that does not answer yet is waited for, and an unloaded model until it is
    /// gone.
    pub wait: bool,
    /// Cancelled to break off what is under way.
    pub stop: CancellationToken,
    /// Who is told of the steps.
    pub progress: &'a dyn Progress,
}

/// A model of the server.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// Its versions in the server's index, ascending.
    pub versions: Vec<IndexedModel>,
    /// Where it came from; none where it was not deployed from here.
    pub record: Option<Record>,
    /// What it takes and returns; none where it was not asked or cannot be said now.
    pub metadata: Option<ModelMetadata>,
}

/// A model's state, and what the server counts about it.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// The version as the index has it.
    pub model: IndexedModel,
    /// What was counted since the server started; none where it was never asked.
    pub statistics: Option<ModelStatistics>,
}

/// The models of a server and of its repository.
pub struct Deployments {
    /// None where `TRITON_MODEL_REPO` is not said.
    repository: Option<Box<dyn Repository>>,
    server: ModelServer,
    registry: Option<ModelRegistry>,
    objects: Option<ObjectStorage>,
}

impl Deployment {
    /// Whether a version of it can be asked.
    pub fn is_ready(&self) -> bool {
        self.versions.iter().any(IndexedModel::is_ready)
    }
}

impl Terms<'_> {
    fn budget(&self) -> CallBudget {
        // A little later, so that what is told is that all of it took too long.
        CallBudget {
            memory: MemoryBudget::process(MEMORY),
            deadline: self.deadline + Duration::from_secs(5),
        }
    }

    /// What `work` answers, unless it is stopped or too late.
    async fn allow<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Error::unavailable("it was stopped before it was done")),
            done = tokio::time::timeout_at(self.deadline.into(), work) => {
                done.unwrap_or_else(|_| Err(Error::timeout("it was not done in the time it was given")))
            }
        }
    }
}

impl Deployments {
    /// Those of the servers that `config` and `repository` name.
    ///
    /// # Errors
    /// One of them cannot be used. `unavailable`: the repository's folder is not there.
    pub fn open(config: &Config, repository: Option<&ModelRepositoryConfig>) -> Result<Self> {
        let server = match &config.triton {
            Some(triton) => ModelServer::Triton(Box::new(TritonInference::open(triton)?)),
            None => ModelServer::InProcess {
                folder: config.embedded_models.folder.clone(),
                limits: EmbeddedLimits::of(&config.embedded_models),
                onnxruntime: config.embedded_models.onnxruntime.clone(),
            },
        };
        let repository: Option<Box<dyn Repository>> = match (repository, &server) {
            (Some(_), ModelServer::InProcess { .. }) => {
                return Err(Error::invalid(
                    "TRITON_MODEL_REPO is set and TRITON_URL is not: set it too, or unset the \
                        other for models run in process",
                ));
            }
            (Some(ModelRepositoryConfig::Folder(folder)), _) => {
                Some(Box::new(Folder::open(folder)?))
            }
            (Some(ModelRepositoryConfig::S3 { store, prefix }), _) => {
                Some(Box::new(Objects::open(store, prefix)?))
            }
            (None, ModelServer::InProcess { folder, .. }) => {
                Some(Box::new(Folder::to_be_made(folder)))
            }
            (None, ModelServer::Triton(_)) => None,
        };
        let limits =
            StorageLimits { max_object_read: config.storage_max_read, ..StorageLimits::default() };
        let objects = match &config.s3 {
            Some(s3) => Some(ObjectStorage::of_s3(&S3Store::open(s3)?, limits)),
            None => None,
        };
        Ok(Self {
            repository,
            server,
            registry: config.mlflow.as_ref().map(ModelRegistry::open).transpose()?,
            objects,
        })
    }

    /// The deployed models that can be asked.
    ///
    /// # Errors
    /// The server or the repository does not answer.
    pub async fn list(&self, terms: &Terms<'_>) -> Result<Vec<Deployment>> {
        let (repository, budget) = (self.repository()?, terms.budget());
        let mut models: BTreeMap<String, Vec<IndexedModel>> = BTreeMap::new();
        for entry in self.index(terms, &budget).await? {
            models.entry(entry.name.clone()).or_default().push(entry);
        }
        models.retain(|_, versions| versions.iter().any(IndexedModel::is_ready));
        let recorded = async {
            let mut deployments = Vec::new();
            for (name, versions) in models {
                match record_of(repository, &name, &budget).await {
                    Ok(None) => {}
                    Ok(record) => {
                        deployments.push(Deployment { name, versions, record, metadata: None })
                    }
                    Err(error) if error.kind == ErrorKind::Invalid => tracing::warn!(
                        "{error}; \
                        model {name} is not listed"
                    ),
                    Err(error) => return Err(error),
                }
            }
            Ok(deployments)
        };
        terms.allow(recorded).await
    }

    /// A model of the server, deployed or not.
    ///
    /// # Errors
    /// `not-found`: there is none of this name. The server or the repository does not answer.
    pub async fn get(&self, name: &str, terms: &Terms<'_>) -> Result<Deployment> {
        check_name(name)?;
        let budget = terms.budget();
        let index = self.index(terms, &budget).await?;
        terms.allow(self.found_in(index, name, &budget)).await
    }

    /// Loads a model that is in the repository.
    ///
    /// # Errors
    /// `not-found`: the server has none of this name. Why it cannot be loaded. The server does not
    /// answer.
    pub async fn load(&self, name: &str, terms: &Terms<'_>) -> Result<Deployment> {
        let budget = terms.budget();
        self.known(name, terms, &budget).await?;
        terms.progress.step(&Step::Loading);
        terms.allow(self.server.load(name, &budget)).await?;
        terms.allow(self.found(name, &budget)).await
    }

    /// Unloads a model; its files stay.
    ///
    /// # Errors
    /// `not-found`: the server has none of this name. It refuses, or does not answer.
    pub async fn unload(&self, name: &str, terms: &Terms<'_>) -> Result<()> {
        let budget = terms.budget();
        self.known(name, terms, &budget).await?;
        terms.progress.step(&Step::Unloading);
        terms.allow(self.server.unload(name, terms.wait, &budget)).await
    }

    /// The states of all models of the server, or of those called `name`, and what was counted
    /// about them.
    ///
    /// # Errors
    /// `not-found`: there is none of this name. The server does not answer.
    pub async fn status(&self, name: Option<&str>, terms: &Terms<'_>) -> Result<Vec<ModelStatus>> {
        let budget = terms.budget();
        let index = match name {
            Some(name) => self.known(name, terms, &budget).await?,
            None => self.index(terms, &budget).await?,
        };
        let counted = async {
            let mut counted = Vec::new();
            for name in index
                .iter()
                .filter(|entry| entry.is_ready())
                .map(|entry| entry.name.as_str())
                .collect::<BTreeSet<_>>()
            {
                counted.extend(self.server.statistics(name, &budget).await?);
            }
            Ok(counted)
        };
        let counted = terms.allow(counted).await?;
        let status = |model: IndexedModel| {
            let version = model.version.map(|version| version.to_string());
            let of_model = |known: &&ModelStatistics| {
                known.name == model.name && Some(&known.version) == version.as_ref()
            };
            ModelStatus { statistics: counted.iter().find(of_model).cloned(), model }
        };
        Ok(index.into_iter().map(status).collect())
    }

    fn repository(&self) -> Result<&dyn Repository> {
        self.repository.as_deref().ok_or_else(|| {
            Error::invalid(
                "where Triton reads its models is not said: set TRITON_MODEL_REPO to its folder, \
                    s3://bucket/prefix or \
                 s3://http://host:port/bucket/prefix",
            )
        })
    }

    fn unknown(&self, name: &str) -> Error {
        Error::not_found(format!("there is no model {name} in the {}", self.server.describe()))
    }

    /// The server's models. One that does not answer yet is waited for, if that is wanted.
    async fn index(&self, terms: &Terms<'_>, budget: &CallBudget) -> Result<Vec<IndexedModel>> {
        loop {
            let error = match terms.allow(self.server.index(budget)).await {
                Ok(index) => return Ok(index),
                Err(error) => error,
            };
            let waits =
                terms.wait && !terms.stop.is_cancelled() && Instant::now() + PAUSE < terms.deadline;
            if !waits || !matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout) {
                return Err(error);
            }
            terms.progress.step(&Step::Waiting { why: error.message });
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The entries of a model in the server's index.
    async fn known(
        &self,
        name: &str,
        terms: &Terms<'_>,
        budget: &CallBudget,
    ) -> Result<Vec<IndexedModel>> {
        check_name(name)?;
        let mut index = self.index(terms, budget).await?;
        index.retain(|entry| entry.name == name);
        if index.is_empty() { Err(self.unknown(name)) } else { Ok(index) }
    }

    async fn found(&self, name: &str, budget: &CallBudget) -> Result<Deployment> {
        self.found_in(self.server.index(budget).await?, name, budget).await
    }

    async fn found_in(
        &self,
        mut versions: Vec<IndexedModel>,
        name: &str,
        budget: &CallBudget,
    ) -> Result<Deployment> {
        versions.retain(|entry| entry.name == name);
        let record = match &self.repository {
            Some(repository) => record_of(&**repository, name, budget).await?,
            None => None,
        };
        if versions.is_empty() && record.is_none() {
            return Err(self.unknown(name));
        }
        let metadata = if versions.iter().any(IndexedModel::is_ready) {
            self.server.described(name, budget).await?
        } else {
            None
        };
        Ok(Deployment { name: name.to_owned(), versions, record, metadata })
    }
}

async fn record_of(
    repository: &dyn Repository,
    name: &str,
    budget: &CallBudget,
) -> Result<Option<Record>> {
    let path = format!("{name}/{RECORD}");
    repository.read(&path, budget).await?.map(|bytes| Record::parse(&path, &bytes)).transpose()
}
