//! Which models the server has, and telling it to load and unload them: Triton's model repository
//! extension.
//!
//! A server takes such orders when it was started with `--model-control-mode=explicit`.

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
    /// The models of the server's repositories, loaded or not, by name and version.
    ///
    /// # Errors
    /// What keeps it from saying so.
    pub async fn index(&self, budget: &CallBudget) -> Result<Vec<IndexedModel>> {
        let message = RepositoryIndexRequest::default();
        let call = self.server.ask("the models of the server", message);
        let answer =
            budget.within("Triton", async { call.await.map_err(|failure| failure.error) }).await?;
        let mut models: Vec<_> = answer.models.into_iter().map(IndexedModel::from).collect();
        models.sort_by(|one, other| (&one.name, one.version).cmp(&(&other.name, other.version)));
        Ok(models)
    }

    /// Loads a model as it is in the repository now, and waits until that is done. A model that is
    /// loaded goes on to answer until the new one can, and when it never can.
    ///
    /// # Errors
    /// `denied`: it cannot be loaded, in the server's words, or the server takes no such orders. It
    /// does not answer.
    pub async fn load(&self, name: &str, budget: &CallBudget) -> Result<()> {
        let message = RepositoryModelLoadRequest {
            model_name: name.to_owned(),
            ..RepositoryModelLoadRequest::default()
        };
        let subject = format!("loading model {name}");
        let call = self.server.ask(&subject, message);
        budget.within(&subject, async { call.await.map(|_| ()).map_err(told) }).await
    }

    /// Unloads all versions of a model. The server says so at once; what is under way is answered
    /// first.
    ///
    /// # Errors
    /// As [`TritonInference::load`].
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

/// What the server does not do. It calls a model that cannot be loaded an invalid argument; by
/// Triton's texts one that decides itself what it loads takes no orders, and files that it cannot
/// make sense of are told in its log alone.
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
