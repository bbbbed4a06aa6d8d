//! Models from a folder, run in this process: what answers when no Triton is configured.
//!
//! [`EmbeddedInference`] reads a folder in Triton's repository layout (`NAME/VERSION/model.onnx`,
//! optional `NAME/config.pbtxt`) and runs its ONNX models on the processor: with ONNX Runtime where
//! its library is found (`KEYNET_ONNXRUNTIME`), else with [rten](https://docs.rs/rten). The same
//! folder can be served by Triton without a change. It is for a developer's machine, for tests and
//! for small models; it is not a model server: no GPU, no batching across requests, no model
//! control, one run at a time unless configured otherwise. Models are the operator's and trusted,
//! requests are not.
//!
//! * **Which version** is asked is Triton's rule: `name` is the highest that `version_policy`
//!   serves (the latest one, by default); `name:version` must be served. Names are `name` and
//!   `name:version`; a registry (`models:/…`) is not looked at here.
//! * **Files** are looked at on every request (a few `stat` calls): a model whose file or
//!   configuration was written since is loaded again, and one that is added is found. Symbolic
//!   links are followed. Weights beside the graph (ONNX external data) are read, but a change of
//!   theirs alone is not noticed.
//! * **Of `config.pbtxt`** these are used: `name`, `platform`, `backend`, `max_batch_size`, `input`
//!   and `output` (`name`, `data_type`, `dims`, `reshape`), `default_model_filename`,
//!   `version_policy`. A platform that is not ONNX is reported and not obeyed. Every other field is
//!   read over.
//! * **Answers** are those of ONNX, or the model is refused when it is loaded (`graph`): rten
//!   computes some operators otherwise, and INT64 and FP64 with 32 bits. ONNX Runtime has all
//!   operators and types; it runs every model where it is there, so that answers do not change with
//!   what rten can do. The metadata's platform names the engine.
//! * **Requests** are checked against the model before anything is allocated. Their parameters
//!   (`priority`, `timeout`, …) mean nothing here and are ignored. Any size of the batch dimension
//!   works, up to `max_batch_size` if there is one.
//! * **Copies**: with rten FP32, INT32, INT8 and UINT8 go in without a copy when their bytes are
//!   aligned (otherwise one) and come out without one; other types are converted, one pass each way
//!   (`convert` says what is lost). With ONNX Runtime all types go in as these do, and come out
//!   with one copy.
//! * **Limits** ([`EmbeddedLimits`]): a run is refused when a dimension that the model leaves open
//!   is too large, or when its estimated memory (`estimate`) is. What is estimated is held against
//!   the operator's limit; only outputs count in the activation's budget, from before the run to
//!   the last clone of the tensor.
//! * **Time**: at the deadline the caller is answered. ONNX Runtime ends the run then, after the
//!   operator that it is in; rten cannot be interrupted, and the run keeps its place and its memory
//!   until it ends. Callers behind it wait until their own deadline.

#[cfg(test)]
mod answers;
mod cache;
mod config_pbtxt;
mod convert;
mod estimate;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod graph;
mod growth;
mod model;
mod onnxruntime;
mod repository;
mod rten_model;
mod shapes;
mod signature;
mod size_expression;
mod stages;
#[cfg(test)]
mod tests;
mod thread;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::Semaphore;

use super::{
    IndexedModel, InferenceBackend, InferenceRequest, ModelMetadata, ModelRef, NamedTensor,
};
use cache::Models;
pub(crate) use config_pbtxt::check_config;
use keynet_base::apart::apart;
use keynet_base::budget::CallBudget;
use keynet_base::call_observer;
use keynet_base::config::{EmbeddedModelsConfig, OnnxRuntimeConfig};
use keynet_base::error::{Error, ErrorKind, Result};
use repository::Repository;
use thread::start_on_own_thread;

/// The platforms of models in process: what Triton calls ONNX Runtime's, and the engine that needs
/// no library.
const ONNX_RUNTIME: &str = "onnxruntime_onnx";
const RTEN: &str = "rten_onnx";

/// How much embedded models may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedLimits {
    /// Runs at the same time. One by default, because one run uses all cores; others wait their
    /// turn.
    pub concurrent_runs: usize,
    /// The largest size of a dimension that a model leaves open (`KEYNET_EMBEDDED_MAX_DIMENSION`).
    pub max_dimension: u64,
    /// The most bytes that one run may be estimated to take, weights excluded
    /// (`KEYNET_EMBEDDED_RUN_MEMORY`).
    pub max_run_bytes: u64,
    /// The largest model, its weights included, in bytes (`KEYNET_EMBEDDED_MODEL_BYTES`).
    pub max_model_bytes: u64,
    /// How many versions of models are kept in memory.
    pub max_loaded_models: usize,
}

impl Default for EmbeddedLimits {
    fn default() -> Self {
        Self {
            concurrent_runs: 1,
            max_dimension: 1 << 16,
            max_run_bytes: 1 << 30,
            max_model_bytes: 1 << 30,
            max_loaded_models: 16,
        }
    }
}

impl EmbeddedLimits {
    /// Those that a configuration says.
    pub fn of(config: &EmbeddedModelsConfig) -> Self {
        Self {
            max_dimension: config.max_dimension,
            max_run_bytes: config.run_memory,
            max_model_bytes: config.model_bytes,
            ..Self::default()
        }
    }
}

/// Runs the models of a folder in process. See the [module](self).
#[derive(Debug)]
pub struct EmbeddedInference {
    models: Arc<Models>,
    runs: Arc<Semaphore>,
    limits: EmbeddedLimits,
}

impl EmbeddedInference {
    /// Opens a folder in Triton's repository layout, for rten. Models are loaded when they are
    /// first asked.
    ///
    /// # Errors
    /// `unavailable`: `models` is not a folder that can be read.
    pub fn open(models: &Path, limits: EmbeddedLimits) -> Result<Self> {
        Self::open_with(models, limits, OnnxRuntimeConfig::Off)
    }

    /// As [`EmbeddedInference::open`], for ONNX Runtime where its library is. A library that is
    /// looked for is loaded with the first model.
    ///
    /// # Errors
    /// `unavailable`: `models` is not a folder that can be read, or the library that `onnxruntime`
    /// names cannot be used.
    pub fn open_with(
        models: &Path,
        limits: EmbeddedLimits,
        onnxruntime: OnnxRuntimeConfig,
    ) -> Result<Self> {
        check_engine(&onnxruntime)?;
        let models = Arc::new(Models::new(Repository::open(models)?, limits, onnxruntime));
        let runs = limits.concurrent_runs.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self { models, runs: Arc::new(Semaphore::new(runs)), limits })
    }

    /// The models of the folder with the versions that can be asked, as their files and
    /// configurations say; none of them is loaded.
    ///
    /// # Errors
    /// `unavailable`: the folder cannot be read.
    pub fn index(&self) -> Result<Vec<IndexedModel>> {
        let repository = &self.models.repository;
        let entry = |name: &str, version, state: &str, reason| IndexedModel {
            name: name.to_owned(),
            version,
            state: Some(state.to_owned()),
            reason,
        };
        let models =
            repository.names()?.into_iter().flat_map(|name| match repository.locate(&name, None) {
                Ok(model) => model
                    .served
                    .iter()
                    .map(|version| entry(&name, Some(*version), "READY", String::new()))
                    .collect(),
                Err(error) => vec![entry(&name, None, "UNAVAILABLE", error.message)],
            });
        Ok(models.collect())
    }
}

/// Checks that the library that a configuration names can be used.
///
/// # Errors
/// `unavailable`: it cannot, or this process has loaded another.
pub fn check_engine(onnxruntime: &OnnxRuntimeConfig) -> Result<()> {
    match onnxruntime {
        OnnxRuntimeConfig::Path(_) => onnxruntime::library(onnxruntime).map(drop),
        OnnxRuntimeConfig::Off | OnnxRuntimeConfig::Auto { .. } => Ok(()),
    }
}

/// Ends a run when its caller is gone, and at its deadline.
struct StopAtEnd(Option<onnxruntime::Stop>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.iter().for_each(onnxruntime::Stop::stop);
    }
}

/// The name and version of a model in the folder.
fn served(model: &ModelRef) -> Result<(&str, Option<u64>)> {
    match model {
        ModelRef::Served { name, version } => Ok((name, *version)),
        ModelRef::RegistryVersion { .. }
        | ModelRef::RegistryAlias { .. }
        | ModelRef::Logged { .. } => Err(Error::unavailable(format!(
            "model {model} is one of a model registry, and none is configured: set \
                MLFLOW_TRACKING_URI; models of the folder are asked as `{0}` or `{0}:1`",
            model.name()
        ))),
    }
}

#[async_trait]
impl InferenceBackend for EmbeddedInference {
    fn describe(&self) -> String {
        format!("models in {}, run in process", self.models.repository.root().display())
    }

    fn engine(&self) -> Option<&'static str> {
        self.models.engine()
    }

    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>> {
        let (name, version) = served(&request.model)?;
        let load = self.models.get(name, version);
        let (located, loaded) =
            budget.within(&format!("loading model {}", request.model), load).await?;
        let label = located.label();
        call_observer::report_model(&located.name, &located.version.to_string());
        let run = loaded.prepare(&request, &self.limits, &budget.memory)?;
        drop(request);
        let _ends_with_its_caller = StopAtEnd(run.stop.clone());
        let (runs, running) = (Arc::clone(&self.runs), Arc::clone(&loaded));
        let starting = apart(async move {
            let place = runs.acquire_owned().await;
            let place = place.map_err(|_| Error::internal("the embedded models are closed"))?;
            start_on_own_thread(place, move || running.run(run))
        });
        let started = budget
            .within(&format!("model {label}, behind other runs in this process,"), starting)
            .await?;
        let answer = budget.within(&format!("model {label}"), started).await;
        if answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Internal) {
            // A panic may have left the model unusable.
            self.models.forget(&located, &loaded);
        }
        answer
    }

    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>> {
        let answer = self.predict(request, budget).await?;
        Ok(stream::once(std::future::ready(Ok(answer))).boxed())
    }

    async fn metadata(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelMetadata> {
        let (name, version) = served(model)?;
        let (located, loaded) = budget
            .within(&format!("loading model {model}"), self.models.get(name, version))
            .await?;
        Ok(ModelMetadata {
            name: located.name,
            versions: located.served.iter().map(u64::to_string).collect(),
            platform: loaded.platform().to_owned(),
            inputs: loaded.signature.inputs.iter().map(|port| port.info()).collect(),
            outputs: loaded.signature.outputs.iter().map(|port| port.info()).collect(),
        })
    }
}
