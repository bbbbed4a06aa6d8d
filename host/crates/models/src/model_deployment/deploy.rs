//! Changes to the deployed models: gather, write, load, and roll back if that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::configuration::CONFIG;
use super::package::{Package, Plan, version_of};
use super::record::RECORD;
use super::repository::{Repository, Workspace, failed, files_below};
use super::server::ModelServer;
use super::{Deployment, Deployments, MEMORY, Order, Record, Step, Terms, record_of};
use crate::inference::{IndexedModel, ModelRef};
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::error::{Error, ErrorKind, Result};

/// Time that a server has to finish with a model that is rolled back.
const SETTLING: Duration = Duration::from_secs(60);
/// Time for a rollback, independent of the remaining time.
const UNDOING: Duration = Duration::from_secs(120);

/// One deployment in progress.
struct Change<'a> {
    deployments: &'a Deployments,
    repository: &'a dyn Repository,
    name: String,
    terms: &'a Terms<'a>,
    budget: CallBudget,
    workspace: Workspace,
}

/// State before the change; empty for a new model.
#[derive(Default)]
struct Before {
    /// The model's files in the repository, with their sizes.
    files: BTreeMap<String, u64>,
    /// The versions that were served.
    served: BTreeSet<u64>,
}

impl Deployments {
    /// Deploys a new model and loads it.
    ///
    /// # Errors
    /// `precondition-failed`: a model of this name exists. Any error of fetching, writing or
    /// loading it; then all its files have been removed.
    pub async fn deploy(&self, order: &Order, terms: &Terms<'_>) -> Result<Deployment> {
        let change = self.change(order, terms).await?;
        terms.allow(change.refuse_taken()).await?;
        let (package, record) = terms.allow(change.gather(order, &Before::default())).await?;
        let mut changes = Changes::new(change.repository, change.workspace.path());
        let claimed = changes.claim(&change.name, &record, &change.budget).await;
        claimed.map_err(|error| {
            if error.kind == ErrorKind::PreconditionFailed { change.taken() } else { error }
        })?;
        let done = terms.allow(async {
            changes.place(&package.folder, &change.name, terms.progress, &change.budget).await?;
            change.load(&package).await
        });
        match done.await {
            Ok(()) => self.found(&change.name, &budget_of(SETTLING)).await,
            Err(error) => Err(change.undo(changes, &Before::default(), error).await),
        }
    }

    /// Deploys another version of a deployed model, and loads it. Unless they are kept, the
    /// previous versions are removed when this one is served.
    ///
    /// # Errors
    /// `not-found`: the model was not deployed. Any error of fetching, writing or loading it; then
    /// the previous versions are served.
    pub async fn update(&self, order: &Order, terms: &Terms<'_>) -> Result<Deployment> {
        let change = self.change(order, terms).await?;
        let (before, _lock) = terms.allow(change.before()).await?;
        let (package, _) = terms.allow(change.gather(order, &before)).await?;
        let mut changes = Changes::new(change.repository, change.workspace.path());
        let done = terms.allow(async {
            change.write(&package, &before, &mut changes).await?;
            change.load(&package).await
        });
        if let Err(error) = done.await {
            return Err(change.undo(changes, &before, error).await);
        }
        let budget = budget_of(SETTLING);
        // The model's own version policy may serve them.
        if !order.keep && !package.own_policy {
            for version in before.versions().difference(&package.versions) {
                let removed =
                    change.repository.remove(&format!("{}/{version}", change.name), &budget).await;
                removed.map_err(|error| Error {
                    message: format!(
                        "the new version is served, but the files of version {version} could not \
                            be removed: {}",
                        error.message
                    ),
                    ..error
                })?;
            }
        }
        self.found(&change.name, &budget).await
    }

    /// Unloads a deployed model and removes its files.
    ///
    /// # Errors
    /// `not-found`: there is no such model. `denied`: it was not deployed from here. The server
    /// refuses to unload it; then its files stay.
    pub async fn delete(&self, name: &str, terms: &Terms<'_>) -> Result<Record> {
        let (repository, budget) = (self.repository()?, terms.budget());
        self.index(terms, &budget).await?;
        terms
            .allow(async {
                let record = recorded(repository, name, &budget).await?;
                let _lock = repository.lock(name).await?;
                if let ModelServer::Triton(_) = self.server {
                    terms.progress.step(&Step::Unloading);
                    self.server.unload(name, true, &budget).await?;
                }
                repository.remove(name, &budget).await?;
                Ok(record)
            })
            .await
    }

    async fn change<'a>(&'a self, order: &Order, terms: &'a Terms<'a>) -> Result<Change<'a>> {
        let name = order.name.clone().map_or_else(|| order.source.name(), Ok)?;
        check_name(&name)?;
        let (repository, budget) = (self.repository()?, terms.budget());
        self.index(terms, &budget).await?;
        Ok(Change {
            deployments: self,
            repository,
            name,
            terms,
            budget,
            workspace: repository.workspace()?,
        })
    }
}

impl Before {
    fn versions(&self) -> BTreeSet<u64> {
        self.files.keys().filter_map(|path| version_of(path)).collect()
    }
}

impl Change<'_> {
    async fn refuse_taken(&self) -> Result<()> {
        if self.repository.exists(&self.name, &self.budget).await? {
            return Err(self.taken());
        }
        let server = &self.deployments.server;
        match server.index(&self.budget).await?.iter().any(|entry| entry.name == self.name) {
            true => Err(Error::precondition_failed(format!(
                "there is a model {} already, from another repository of the {}: choose another name",
                self.name,
                server.describe()
            ))),
            false => Ok(()),
        }
    }

    fn taken(&self) -> Error {
        Error::precondition_failed(format!(
            "there is a model {} in the repository {} already: update it, delete it, or choose \
                another name",
            self.name,
            self.repository.describe()
        ))
    }

    /// Returns the state before the change, and a lock that prevents other changes while it is
    /// held.
    async fn before(&self) -> Result<(Before, Option<File>)> {
        recorded(self.repository, &self.name, &self.budget).await?;
        let lock = self.repository.lock(&self.name).await?;
        let index = self.deployments.server.index(&self.budget).await?;
        let served = |entry: &IndexedModel| {
            entry.version.filter(|_| entry.name == self.name && entry.is_ready())
        };
        let files = self.repository.files(&self.name, &self.budget).await?;
        Ok((Before { files, served: index.iter().filter_map(served).collect() }, lock))
    }

    /// Fetches the model and builds its folder, with its record, in the workspace.
    async fn gather(&self, order: &Order, before: &Before) -> Result<(Package, Record)> {
        let Self { deployments, repository, name, terms, budget, workspace } = self;
        terms.progress.step(&Step::Fetching { source: order.source.to_string() });
        let artifact = workspace.path().join("artifact");
        let fetched = order
            .source
            .fetch(deployments.registry.as_ref(), deployments.objects.as_ref(), &artifact, budget)
            .await?;
        terms.progress.step(&Step::Fetched {
            bytes: fetched.downloaded.bytes,
            files: fetched.downloaded.files,
        });
        let there = before.versions();
        let version = match (fetched.version, order.version) {
            (Some(number), Some(other)) if number != other => {
                return Err(Error::invalid(format!(
                    "{} is version {number} of the registry, and so it is of the server: it cannot \
                        be {other}",
                    order.source
                )));
            }
            (number, other) => {
                number.or(other).unwrap_or_else(|| there.last().map_or(1, |newest| newest + 1))
            }
        };
        let beside = if order.keep { there } else { BTreeSet::new() };
        let for_triton = matches!(deployments.server, ModelServer::Triton(_));
        let plan = Plan {
            name,
            version,
            flavor: order.flavor,
            beside: &beside,
            file: order.file.as_deref(),
            for_triton,
        };
        let package = Package::assemble(&artifact, workspace.path().join("model"), &plan)?;
        let record = Record {
            name: name.clone(),
            triton_model_path: repository.place_of(name),
            mlflow_model_uri: fetched.uri,
            flavor: package.flavor.to_string(),
        };
        let path = package.folder.join(RECORD);
        std::fs::write(&path, record.to_bytes()).map_err(|error| failed("write", &path, &error))?;
        Ok((package, record))
    }

    /// Writes another version into the model's folder, then replaces the files beside the versions.
    async fn write(
        &self,
        package: &Package,
        before: &Before,
        changes: &mut Changes<'_>,
    ) -> Result<()> {
        self.repository.until_later(&self.name, &self.budget).await?;
        for version in &package.versions {
            let from = package.folder.join(version.to_string());
            if !self.is_there(*version, &from, before, changes).await? {
                changes
                    .place(
                        &from,
                        &format!("{}/{version}", self.name),
                        self.terms.progress,
                        &self.budget,
                    )
                    .await?;
            }
        }
        let beside = package.files_beside()?;
        for file in &beside {
            changes
                .put(&package.folder.join(file), &format!("{}/{file}", self.name), &self.budget)
                .await?;
        }
        for file in
            before.files.keys().filter(|path| version_of(path).is_none() && !beside.contains(path))
        {
            changes.remove(&format!("{}/{file}", self.name), &self.budget).await?;
        }
        Ok(())
    }

    /// Reports whether a version already exists with these files, since a version is immutable. A
    /// different version of the same number that is not served, such as the remains of a killed
    /// update, is removed.
    async fn is_there(
        &self,
        version: u64,
        from: &Path,
        before: &Before,
        changes: &mut Changes<'_>,
    ) -> Result<bool> {
        let (folder, start) = (format!("{}/{version}", self.name), format!("{version}/"));
        let there: Vec<_> = before.files.keys().filter(|path| path.starts_with(&start)).collect();
        if there.is_empty() {
            return Ok(false);
        }
        let mut same = true;
        for file in files_below(from)?.keys() {
            same = same
                && self
                    .repository
                    .is_same(&from.join(file), &format!("{folder}/{file}"), &self.budget)
                    .await?;
        }
        if same {
            return Ok(true);
        }
        if before.served.contains(&version) {
            return Err(Error::precondition_failed(format!(
                "version {version} of model {} is served, and its files are others: a version does \
                    not change; deploy them as another one",
                self.name
            )));
        }
        for file in there {
            changes.remove(&format!("{}/{file}", self.name), &self.budget).await?;
        }
        // Only folders are left of it.
        self.repository.remove(&folder, &self.budget).await?;
        Ok(false)
    }

    /// Loads the model and waits until the deployed version is served.
    async fn load(&self, package: &Package) -> Result<()> {
        self.terms.progress.step(&Step::Loading);
        self.deployments.server.load(&self.name, &self.budget).await?;
        self.deployments.server.until_served(&self.name, package.version, &self.budget).await
    }

    /// Undoes the changes made before `error` and reloads the previous state on the server. Returns
    /// the error with the outcome of the rollback.
    async fn undo(&self, changes: Changes<'_>, before: &Before, error: Error) -> Error {
        if changes.is_empty() {
            return error;
        }
        self.terms.progress.step(&Step::RollingBack { why: error.message.clone() });
        let (server, was_loaded) = (&self.deployments.server, !before.served.is_empty());
        // A model that is still being loaded is read from these files.
        let settled = server.until_settled(&self.name, !was_loaded, &budget_of(SETTLING)).await;
        let budget = budget_of(UNDOING);
        if was_loaded && let Err(other) = self.repository.until_later(&self.name, &budget).await {
            tracing::warn!("the model repository cannot be read: {other}");
        }
        let undone = changes.undo(&budget).await;
        let followed = if was_loaded { server.load(&self.name, &budget).await } else { Ok(()) };
        let outcome = match (undone, settled, followed) {
            (Err(other), _, _) => format!(
                "its files could not all be changed back: {other}; look at {CONFIG} and the \
                    versions of {} in the repository {}",
                self.name,
                self.repository.describe()
            ),
            (Ok(()), Err(other), _) if !was_loaded => format!(
                "the repository is as it was, but the server may have it still: {other}; `model \
                    unload {}` has it unloaded",
                self.name
            ),
            (Ok(()), _, Err(other)) => {
                format!("its files are as they were, but they could not be loaded again: {other}")
            }
            (Ok(()), _, Ok(())) if before.files.is_empty() => "nothing of it was left".to_owned(),
            (Ok(()), _, Ok(())) if was_loaded => {
                "what was there before is served as it was".to_owned()
            }
            (Ok(()), _, Ok(())) => "its files are as they were".to_owned(),
        };
        Error {
            message: format!("{}; {outcome}", error.message.trim_end_matches([';', ' '])),
            ..error
        }
    }
}

fn budget_of(time: Duration) -> CallBudget {
    CallBudget { memory: MemoryBudget::process(MEMORY), deadline: Instant::now() + time }
}

/// Checks that a name is one that an action could request.
pub(super) fn check_name(name: &str) -> Result<()> {
    match name.parse::<ModelRef>()? {
        ModelRef::Served { version: None, .. } => Ok(()),
        _ => Err(Error::invalid(format!(
            "{name:?} is a model's name with more to it: give the name alone"
        ))),
    }
}

/// Returns the record of a deployed model.
async fn recorded(repository: &dyn Repository, name: &str, budget: &CallBudget) -> Result<Record> {
    check_name(name)?;
    if let Some(record) = record_of(repository, name, budget).await? {
        return Ok(record);
    }
    Err(match repository.files(name, budget).await?.is_empty() {
        true => Error::not_found(format!(
            "there is no model {name} in the repository {}",
            repository.describe()
        )),
        false => Error::denied(format!(
            "model {name} of the repository {} was not deployed from here: it has no {RECORD}; \
                change its files by hand",
            repository.describe()
        )),
    })
}
