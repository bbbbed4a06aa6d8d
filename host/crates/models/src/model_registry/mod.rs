//! MLflow's model registry: what `models:/name/3`, `models:/name@champion` and
//! `models:/name/Production` are now, and the files they were registered with.
//!
//! A version's number is MLflow's, and it is the number that the model server knows it by. Answers
//! are kept for a while (`KEYNET_MLFLOW_TTL`): an activation that asks a model by its alias costs
//! no call, and follows an alias that was moved within that time. While MLflow does not answer,
//! what was known goes on to count (`KEYNET_MLFLOW_STALE`), and a version that is named by its
//! number is asked for unseen: nothing about it can have changed but that it was taken away.
//!
//! What this room does not do: it decides neither who may ask a model (that is `policy`) nor where
//! models run (that is `inference`).

mod artifact;
mod cache;
mod client;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    pub use super::artifact::fuzzing::mlflow;
}
mod registered;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

pub(crate) use artifact::copy_files;
pub use artifact::{DownloadLimits, Downloaded, Sources};
pub use registered::Registered;

use crate::inference::ModelRef;
use cache::Cache;
use client::Client;
use keynet_base::budget::CallBudget;
use keynet_base::config::MlflowConfig;
use keynet_base::error::{Error, ErrorKind, Result};

/// How long MLflow has for one answer, whoever waits for it.
const ANSWER: Duration = Duration::from_secs(10);

/// One version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// The registered model's name.
    pub name: String,
    /// Its number.
    pub version: u64,
    /// Where its files were when it was registered.
    pub source: String,
    /// The run that made it.
    pub run_id: Option<String>,
    /// `READY`, `PENDING_REGISTRATION` or `FAILED_REGISTRATION`.
    pub status: String,
    /// `Production` or another of MLflow's stages; none where it is in none.
    pub stage: Option<String>,
    /// What people said about it.
    pub tags: BTreeMap<String, String>,
    /// Its aliases, without `@`.
    pub aliases: Vec<String>,
}

/// MLflow's registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    client: Client,
    cache: Arc<Cache<Arc<ModelVersion>>>,
}

impl ModelRegistry {
    /// The registry that `config` names. Nothing is asked of it yet.
    ///
    /// # Errors
    /// For the operator. `invalid`: credentials or a CA that cannot be used. `denied`: the URL is a
    /// caller's and at a private address.
    pub fn open(config: &MlflowConfig) -> Result<Self> {
        Ok(Self {
            client: Client::new(config)?,
            cache: Arc::new(Cache::new(config.ttl, config.stale)),
        })
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        self.client.url()
    }

    /// The version that a name of the registry means, now or as far back as [`MlflowConfig::ttl`].
    ///
    /// # Errors
    /// `invalid`: a name of the model server, or a stage that there is not. `not-found`: the model,
    /// version or alias; no version in the stage. `unavailable`: MLflow does not answer and nothing
    /// is known, or the version is not ready. `denied`, `timeout`.
    pub async fn version(
        &self,
        model: &ModelRef,
        budget: &CallBudget,
    ) -> Result<Arc<ModelVersion>> {
        let (client, asked) = (self.client.clone(), model.clone());
        let fetch =
            || async move { client.version(&asked, Instant::now() + ANSWER).await.map(Arc::new) };
        let known = self.cache.get(model, budget, fetch).await?;
        match known.status.as_str() {
            "READY" => Ok(known),
            status => Err(Error::unavailable(format!(
                "model {model} is version {} of MLflow, which is {status}",
                known.version
            ))),
        }
    }

    /// What `model` is called by the model server: the registered model's name and a version's
    /// number.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn served(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelRef> {
        match model {
            ModelRef::Served { .. } => return Ok(model.clone()),
            ModelRef::Logged { .. } => return model.served().map(|_| model.clone()),
            _ => {}
        }
        let version = match (self.version(model, budget).await, model.number()) {
            (Ok(known), _) => known.version,
            (Err(error), Some(number))
                if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout)
                    && self.cache.is_unknown(model) =>
            {
                tracing::warn!(%model, %error, "the model is asked for unseen");
                number
            }
            (Err(error), _) => return Err(error),
        };
        if !ModelRef::is_served_name(model.name()) {
            return Err(Error::invalid(format!(
                "model {model} has a name that no folder of a model server can have: deploy it \
                    with `--name NAME`, and ask for NAME"
            )));
        }
        Ok(ModelRef::Served { name: model.name().to_owned(), version: Some(version) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caches_key_tells_every_way_to_name_a_version_apart() {
        let names = ["models:/a/1", "models:/a@1", "models:/a/Production", "models:/b/1"];
        let keys: std::collections::HashSet<ModelRef> =
            names.iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(keys.len(), names.len());
    }
}
