//! Deployment of models: fetched from a registry, written into the repository of a model server,
//! and loaded. Used by operators, never by actions.
//!
//! [`Deployments`] connects three places: the source of models ([`ModelSource`]: MLflow's registry,
//! or this machine), the model repository (`TRITON_MODEL_REPO`: a folder or S3), and the server
//! that runs them (Triton). Without Triton the repository is the folder of models that are run in
//! process, and loading a model only tests that it can be loaded.
//!
//! * **Versions.** A version of MLflow has the same number on the server. Unless a model's own
//!   `config.pbtxt` configures the served versions, the version that was deployed last is served.
//! * **All or nothing.** Files are gathered beside the repository, written to paths that the server
//!   does not use yet, and loaded. If that fails, is stopped or times out, the repository is
//!   restored and the server reloads the previous state. While a server loads a model, it continues
//!   to serve the previous version until the new one is ready.
//! * **Provenance.** The source is recorded beside the model ([`Record`]), in the format of
//!   MLflow's deployment plugin for Triton. A model without a record is never changed.

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
pub use source::ModelSource;

use crate::inference::embedded::EmbeddedLimits;
use crate::inference::triton::{ModelStatistics, TritonInference};
use crate::inference::{IndexedModel, ModelMetadata};
use crate::model_registry::ModelRegistry;
use deploy::check_name;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::{Config, ModelRepositoryConfig};
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{ObjectStorage, StorageLimits};
use record::RECORD;
use repository::{Folder, Objects, Repository};
use server::ModelServer;

/// Pause between requests to a server that does not respond yet.
const PAUSE: Duration = Duration::from_millis(500);
/// Memory limit in bytes, for parts of files in transit and lists of files.
const MEMORY: u64 = 1 << 30;

/// Request to deploy a model.
#[derive(Debug, Clone)]
pub struct Order {
    /// Source of the model.
    pub source: ModelSource,
    /// Name of the model on the server; `None` for the source's own name.
    pub name: Option<String>,
    /// Format of the model's files; `None` to detect it.
    pub flavor: Option<Flavor>,
    /// Version on the server, for a source without a version of its own; `None` for the next one.
    pub version: Option<u64>,
    /// Keeps the versions that are served now, beside the new one.
    pub keep: bool,
    /// ONNX file to deploy, relative to the model's files; `None` for the only one, or
    /// `model.onnx`.
    pub file: Option<String>,
}

/// Conditions of an operation.
pub struct Terms<'a> {
    /// Time at which the operation fails if it is not complete.
    pub deadline: Instant,
    /// Waits for a server that does not respond yet, and after unloading until the model is gone.
    pub wait: bool,
    /// Cancelled to stop the operation.
    pub stop: CancellationToken,
    /// Receiver of progress reports.
    pub progress: &'a dyn Progress,
}

/// Model of the server.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Name on the server.
    pub name: String,
    /// Versions in the server's index, ascending.
    pub versions: Vec<IndexedModel>,
    /// Source of the model; `None` if it was not deployed from here.
    pub record: Option<Record>,
    /// Inputs and outputs; `None` if not requested or currently not available.
    pub metadata: Option<ModelMetadata>,
}

/// State of a model, with the server's statistics about it.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// Version as listed in the index.
    pub model: IndexedModel,
    /// Statistics since the server started; `None` if the model never received a request.
    pub statistics: Option<ModelStatistics>,
}

/// The models of a server and of its repository.
pub struct Deployments {
    /// `None` if `TRITON_MODEL_REPO` is not set.
    repository: Option<Box<dyn Repository>>,
    server: ModelServer,
    registry: Option<ModelRegistry>,
    objects: Option<ObjectStorage>,
}

impl Deployment {
    /// Reports whether a version of it is ready.
    pub fn is_ready(&self) -> bool {
        self.versions.iter().any(IndexedModel::is_ready)
    }
}

impl Terms<'_> {
    fn budget(&self) -> CallBudget {
        // Slightly later than the deadline of the operation, so that the error reported is that of
        // the operation as a whole.
        CallBudget {
            memory: MemoryBudget::process(MEMORY),
            deadline: self.deadline + Duration::from_secs(5),
        }
    }

    /// Runs `work` until it completes, is stopped, or the deadline passes.
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
    /// Opens the server and the repository that `config` and `repository` describe.
    ///
    /// # Errors
    /// One of them cannot be used. `unavailable`: the repository's folder does not exist.
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

    /// Lists the deployed models that are ready.
    ///
    /// # Errors
    /// The server or the repository does not respond.
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
                    Err(error) if error.kind == ErrorKind::Invalid => {
                        tracing::warn!("{error}; model {name} is not listed")
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(deployments)
        };
        terms.allow(recorded).await
    }

    /// Returns a model of the server, deployed or not.
    ///
    /// # Errors
    /// `not-found`: there is no model of this name. The server or the repository does not respond.
    pub async fn get(&self, name: &str, terms: &Terms<'_>) -> Result<Deployment> {
        check_name(name)?;
        let budget = terms.budget();
        let index = self.index(terms, &budget).await?;
        terms.allow(self.found_in(index, name, &budget)).await
    }

    /// Loads a model that is in the repository.
    ///
    /// # Errors
    /// `not-found`: the server has no model of this name. The model cannot be loaded. The server
    /// does not respond.
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
    /// `not-found`: the server has no model of this name. The server refuses, or does not respond.
    pub async fn unload(&self, name: &str, terms: &Terms<'_>) -> Result<()> {
        let budget = terms.budget();
        self.known(name, terms, &budget).await?;
        terms.progress.step(&Step::Unloading);
        terms.allow(self.server.unload(name, terms.wait, &budget)).await
    }

    /// Returns the states of all models of the server, or of those called `name`, with their
    /// statistics.
    ///
    /// # Errors
    /// `not-found`: there is no model of this name. The server does not respond.
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
                    s3://bucket/prefix or s3://http://host:port/bucket/prefix",
            )
        })
    }

    fn unknown(&self, name: &str) -> Error {
        Error::not_found(format!("there is no model {name} in the {}", self.server.describe()))
    }

    /// Returns the server's models. With [`Terms::wait`], waits for a server that does not respond
    /// yet.
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

    /// Returns the entries of a model in the server's index.
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
