//! The runtime of the repository's models: a Triton server, or the hosts of this program, each in
//! its own process.

use std::path::PathBuf;
use std::time::Duration;

use crate::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use crate::inference::triton::{ModelStatistics, TritonInference};
use crate::inference::{IndexedModel, InferenceBackend as _, ModelMetadata, ModelRef};
use keynet_base::budget::CallBudget;
use keynet_base::config::OnnxRuntimeConfig;
use keynet_base::error::{Error, ErrorKind, Result};

/// Interval of polling for a state.
const LOOK: Duration = Duration::from_millis(100);

/// Runtime of the models.
#[derive(Debug)]
pub(super) enum ModelServer {
    /// A Triton server.
    Triton(Box<TritonInference>),
    /// This folder, from which every process loads the models that it runs.
    InProcess { folder: PathBuf, limits: EmbeddedLimits, onnxruntime: OnnxRuntimeConfig },
}

impl ModelServer {
    /// Describes its location for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Triton(triton) => triton.describe(),
            Self::InProcess { folder, .. } => {
                format!("models in {}, run in process", folder.display())
            }
        }
    }

    /// Returns its models and their versions, including those that are not ready.
    ///
    /// # Errors
    /// It does not respond.
    pub async fn index(&self, budget: &CallBudget) -> Result<Vec<IndexedModel>> {
        match self {
            Self::Triton(triton) => {
                let mut models = triton.index(budget).await?;
                // Not a valid model name.
                models.retain(|model| !model.name.starts_with('.'));
                Ok(models)
            }
            Self::InProcess { folder, .. } if !folder.exists() => Ok(Vec::new()),
            Self::InProcess { folder, limits, .. } => {
                EmbeddedInference::open(folder, *limits)?.index()
            }
        }
    }

    /// Loads the current files of a model from the repository.
    ///
    /// # Errors
    /// The model cannot be loaded.
    pub async fn load(&self, name: &str, budget: &CallBudget) -> Result<()> {
        match self {
            Self::Triton(triton) => triton.load(name, budget).await,
            Self::InProcess { .. } => self.metadata(name, None, budget).await.map(drop),
        }
    }

    /// Waits until a version of a model is served.
    ///
    /// # Errors
    /// `invalid`: the server has finished loading and does not serve it. It does not respond.
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

    /// Waits until the server has stopped loading a model, since loading reads its files. With
    /// `unload`, then unloads it.
    ///
    /// # Errors
    /// It does not respond, or cannot unload the model.
    pub async fn until_settled(&self, name: &str, unload: bool, budget: &CallBudget) -> Result<()> {
        let Self::Triton(_) = self else { return Ok(()) };
        // A load that has not started yet will not find the files.
        let entries = self.until_loaded(name, budget).await?;
        match unload && entries.iter().any(|entry| entry.state.is_some()) {
            true => self.unload(name, true, budget).await,
            false => Ok(()),
        }
    }

    /// Returns the entries of a model in the index, once none of them is being loaded.
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

    /// Unloads a model, and with `wait` waits until it is gone.
    ///
    /// # Errors
    /// The server refuses, or does not respond. `invalid`: models run in process.
    pub async fn unload(&self, name: &str, wait: bool, budget: &CallBudget) -> Result<()> {
        let Self::Triton(triton) = self else {
            return Err(Error::invalid(
                "models that run in process are loaded when they are asked: there is nothing to \
                    unload",
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

    /// Returns the inputs and outputs of a model; `None` if it is not ready.
    ///
    /// # Errors
    /// The server does not respond.
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
            // The server knows the model and has not loaded it.
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

    /// Returns the server's statistics about its models, or about one of them.
    ///
    /// # Errors
    /// The server does not respond.
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
            // Opened for each request, so that models loaded earlier have no influence.
            Self::InProcess { folder, limits, onnxruntime } => {
                let models = EmbeddedInference::open_with(folder, *limits, onnxruntime.clone())?;
                models.metadata(&model, budget).await
            }
        }
    }
}
