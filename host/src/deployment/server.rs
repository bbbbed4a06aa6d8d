//! Who runs the models of the repository: a Triton server, or this program's own hosts, each in its
//! process.

use std::path::PathBuf;
use std::time::Duration;

use crate::budget::CallBudget;
use crate::config::OnnxRuntimeConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use crate::inference::triton::{ModelStatistics, TritonInference};
use crate::inference::{IndexedModel, InferenceBackend as _, ModelMetadata, ModelRef};

/// How often a state that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What runs models.
#[derive(Debug)]
pub(super) enum ModelServer {
    /// A server.
    Triton(Box<TritonInference>),
    /// Models are loaded by whatever process asks them, from this folder.
    InProcess { folder: PathBuf, limits: EmbeddedLimits, onnxruntime: OnnxRuntimeConfig },
}

impl ModelServer {
    /// Where it is, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Triton(triton) => triton.describe(),
            Self::InProcess { folder, .. } => {
                format!("models in {}, run in process", folder.display())
            }
        }
    }

    /// Its models and their versions, those that cannot be asked too.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn index(&self, budget: &CallBudget) -> Result<Vec<IndexedModel>> {
        match self {
            Self::Triton(triton) => {
                let mut models = triton.index(budget).await?;
                // No model that could be asked.
                models.retain(|model| !model.name.starts_with('.'));
                Ok(models)
            }
            Self::InProcess { folder, .. } if !folder.exists() => Ok(Vec::new()),
            Self::InProcess { folder, limits, .. } => {
                EmbeddedInference::open(folder, *limits)?.index()
            }
        }
    }

    /// Loads a model as it is in the repository now.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub async fn load(&self, name: &str, budget: &CallBudget) -> Result<()> {
        match self {
            Self::Triton(triton) => triton.load(name, budget).await,
            Self::InProcess { .. } => self.metadata(name, None, budget).await.map(drop),
        }
    }

    /// Waits until a version of a model can be asked.
    ///
    /// # Errors
    /// `invalid`: the server is done and does not serve it. It does not answer.
    pub async fn until_served(&self, name: &str, version: u64, budget: &CallBudget) -> Result<()> {
        if let Self::InProcess { .. } = self {
            return self.metadata(name, Some(version), budget).await.map(drop);
        }
        let entries = self.until_loaded(name, budget).await?;
        if entries.iter().any(|entry| entry.version == Some(version) && entry.is_ready()) {
            return Ok(());
        }
        let why: Vec<_> = entries
            .iter()
            .map(|entry| entry.reason.as_str())
            .filter(|reason| !reason.is_empty())
            .collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        Err(Error::invalid(format!(
            "the server has loaded model {name} and does not serve its version {version}{why}: \
                does its version_policy have it?"
        )))
    }

    /// Waits until the server is not loading a model any more: it reads the files. What was not
    /// loaded before is unloaded then.
    ///
    /// # Errors
    /// It does not answer, or cannot unload it.
    pub async fn until_settled(&self, name: &str, unload: bool, budget: &CallBudget) -> Result<()> {
        let Self::Triton(_) = self else { return Ok(()) };
        // One that has not begun to load will not find its files.
        let entries = self.until_loaded(name, budget).await?;
        match unload && entries.iter().any(|entry| entry.state.is_some()) {
            true => self.unload(name, true, budget).await,
            false => Ok(()),
        }
    }

    /// The entries of a model in the index, when none of them is being loaded.
    async fn until_loaded(&self, name: &str, budget: &CallBudget) -> Result<Vec<IndexedModel>> {
        loop {
            let mut entries = self.index(budget).await?;
            entries.retain(|entry| entry.name == name);
            if !entries.iter().any(|entry| entry.state.as_deref() == Some("LOADING")) {
                return Ok(entries);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Unloads a model, and waits until it is gone if that is wanted.
    ///
    /// # Errors
    /// The server refuses, or does not answer. `invalid`: models run in process.
    pub async fn unload(&self, name: &str, wait: bool, budget: &CallBudget) -> Result<()> {
        let Self::Triton(triton) = self else {
            return Err(Error::invalid(
                "models that run in process are loaded when they are asked: \
                there is nothing to unload",
            ));
        };
        triton.unload(name, budget).await?;
        let loaded = |index: Vec<IndexedModel>| {
            index.iter().any(|entry| {
                entry.name == name
                    && matches!(entry.state.as_deref(), Some("READY" | "LOADING" | "UNLOADING"))
            })
        };
        while wait && loaded(triton.index(budget).await?) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// What a model takes and returns; none where it cannot be asked now.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn described(
        &self,
        name: &str,
        budget: &CallBudget,
    ) -> Result<Option<ModelMetadata>> {
        match self.metadata(name, None, budget).await {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Internal
                ) =>
            {
                Ok(None)
            }
            // What the server says of a model that it knows and has not loaded.
            Err(_)
                if self
                    .index(budget)
                    .await?
                    .iter()
                    .any(|entry| entry.name == name && !entry.is_ready()) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the server counts about its models, or about one of them.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn statistics(
        &self,
        name: &str,
        budget: &CallBudget,
    ) -> Result<Vec<ModelStatistics>> {
        match self {
            Self::Triton(triton) => {
                triton
                    .statistics(&ModelRef::Served { name: name.to_owned(), version: None }, budget)
                    .await
            }
            Self::InProcess { .. } => Ok(Vec::new()),
        }
    }

    async fn metadata(
        &self,
        name: &str,
        version: Option<u64>,
        budget: &CallBudget,
    ) -> Result<ModelMetadata> {
        let model = ModelRef::Served { name: name.to_owned(), version };
        match self {
            Self::Triton(triton) => triton.metadata(&model, budget).await,
            // Opened for each question: nothing that an earlier one has loaded counts.
            Self::InProcess { folder, limits, onnxruntime } => {
                let models = EmbeddedInference::open_with(folder, *limits, onnxruntime.clone())?;
                models.metadata(&model, budget).await
            }
        }
    }
}
