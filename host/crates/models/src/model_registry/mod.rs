//! MLflow's model registry: resolves `models:/name/3`, `models:/name@champion` and
//! `models:/name/Production` to a version, and downloads its files.
//!
//! A version has the same number in MLflow and on the model server. Responses are cached
//! (`KEYNET_MLFLOW_TTL`): an activation that uses a model by its alias needs no request to MLflow,
//! and sees a moved alias within that time. While MLflow does not respond, cached versions remain
//! valid (`KEYNET_MLFLOW_STALE`), and a version given by its number is requested from the model
//! server unchecked: a version cannot change, only be removed.
//!
//! This module decides neither who may use a model (that is `policy`) nor where models run (that is
//! `inference`).

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
use keynet_base::call_observer;
use keynet_base::config::MlflowConfig;
use keynet_base::error::{Error, ErrorKind, Result};

/// Timeout of one response of MLflow, independent of the callers' deadlines.
const ANSWER: Duration = Duration::from_secs(10);

/// One version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// Name of the registered model.
    pub name: String,
    /// Version number.
    pub version: u64,
    /// URI of its files at registration.
    pub source: String,
    /// ID of the MLflow run that created it.
    pub run_id: Option<String>,
    /// `READY`, `PENDING_REGISTRATION` or `FAILED_REGISTRATION`.
    pub status: String,
    /// `Production` or another of MLflow's stages; `None` without a stage.
    pub stage: Option<String>,
    /// Tags set by users.
    pub tags: BTreeMap<String, String>,
    /// Aliases, without `@`.
    pub aliases: Vec<String>,
}

/// MLflow's registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    client: Client,
    cache: Arc<Cache<Arc<ModelVersion>>>,
}

impl ModelRegistry {
    /// Opens the registry that `config` describes, without sending a request.
    ///
    /// # Errors
    /// For the operator. `invalid`: credentials or a CA that cannot be used. `denied`: the URL was
    /// supplied by a caller and is at a private address.
    pub fn open(config: &MlflowConfig) -> Result<Self> {
        Ok(Self {
            client: Client::new(config)?,
            cache: Arc::new(Cache::new(config.ttl, config.stale)),
        })
    }

    /// Returns the URL of the registry.
    pub fn url(&self) -> &Url {
        self.client.url()
    }

    /// Returns the version that a name of the registry refers to, at most [`MlflowConfig::ttl`]
    /// ago.
    ///
    /// # Errors
    /// `invalid`: a name of the model server, or an unknown stage. `not-found`: the model, version
    /// or alias does not exist, or the stage has no version. `unavailable`: MLflow does not respond
    /// and nothing is cached, or the version is not ready. `denied`, `timeout`.
    pub async fn version(
        &self,
        model: &ModelRef,
        budget: &CallBudget,
    ) -> Result<Arc<ModelVersion>> {
        let (client, asked) = (self.client.clone(), model.clone());
        let fetch = || {
            call_observer::carried(async move {
                client.version(&asked, Instant::now() + ANSWER).await.map(Arc::new)
            })
        };
        let known = self.cache.get(model, budget, fetch).await?;
        match known.status.as_str() {
            "READY" => Ok(known),
            status => Err(Error::unavailable(format!(
                "model {model} is version {} of MLflow, which is {status}",
                known.version
            ))),
        }
    }

    /// Returns the name of `model` on the model server: the registered model's name and a version
    /// number.
    ///
    /// # Errors
    /// The same as for [`Self::version`].
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
