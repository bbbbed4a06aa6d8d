//! Listing, loading and unloading of the server's models: Triton's model repository extension.
//!
//! Loading and unloading require a server started with `--model-control-mode=explicit`.

use super::TritonInference;
use super::failure::Failure;
use super::proto::{
    RepositoryIndexRequest, RepositoryModelLoadRequest, RepositoryModelUnloadRequest,
    repository_index_response::ModelIndex,
};
use crate::inference::IndexedModel;
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, ErrorKind, Result};

impl TritonInference {
    /// Returns the models of the server's repositories, loaded or not, by name and version.
    ///
    /// # Errors
    /// The server does not respond.
    pub async fn index(&self, budget: &CallBudget) -> Result<Vec<IndexedModel>> {
        let message = RepositoryIndexRequest::default();
        let call = self.server.ask("the models of the server", message);
        let answer =
            budget.within("Triton", async { call.await.map_err(|failure| failure.error) }).await?;
        let mut models: Vec<_> = answer.models.into_iter().map(IndexedModel::from).collect();
        models.sort_by(|one, other| (&one.name, one.version).cmp(&(&other.name, other.version)));
        Ok(models)
    }

    /// Loads a model from its current files in the repository, and waits until it is loaded. A
    /// model that is already loaded continues to respond until the new one is ready, and also if
    /// loading fails.
    ///
    /// # Errors
    /// `denied`: the model cannot be loaded, with the server's text, or the server does not allow
    /// explicit loading. The server does not respond.
    pub async fn load(&self, name: &str, budget: &CallBudget) -> Result<()> {
        let message = RepositoryModelLoadRequest {
            model_name: name.to_owned(),
            ..RepositoryModelLoadRequest::default()
        };
        let subject = format!("loading model {name}");
        let call = self.server.ask(&subject, message);
        budget.within(&subject, async { call.await.map(|_| ()).map_err(told) }).await
    }

    /// Unloads all versions of a model. The server responds at once; running requests are completed
    /// first.
    ///
    /// # Errors
    /// The same as for [`TritonInference::load`].
    pub async fn unload(&self, name: &str, budget: &CallBudget) -> Result<()> {
        let message = RepositoryModelUnloadRequest {
            model_name: name.to_owned(),
            ..RepositoryModelUnloadRequest::default()
        };
        let subject = format!("unloading model {name}");
        let call = self.server.ask(&subject, message);
        budget.within(&subject, async { call.await.map(|_| ()).map_err(told) }).await
    }
}

/// Converts a failure to load or unload. The server reports a model that cannot be loaded as an
/// invalid argument. Two conditions are recognised by Triton's texts: a server that does not allow
/// explicit loading, and files that it cannot parse, whose error is only in its log.
fn told(failure: Failure) -> Error {
    match failure.error {
        error if error.message.contains("explicit model load / unload is not allowed") => {
            Error::denied(format!(
                "{}; start Triton with --model-control-mode=explicit",
                error.message
            ))
        }
        error if error.message.contains("failed to poll from model repository") => {
            Error::denied(format!(
                "{}: it could not read the model's config.pbtxt or its folder; the server's log \
                    says why",
                error.message
            ))
        }
        error if error.kind == ErrorKind::Invalid => Error::denied(error.message),
        error => error,
    }
}

impl From<ModelIndex> for IndexedModel {
    fn from(given: ModelIndex) -> Self {
        let state = Some(given.state).filter(|state| !state.is_empty());
        Self { name: given.name, version: given.version.parse().ok(), state, reason: given.reason }
    }
}
