//! Inference: the types that every backend shares, and the trait that backends implement.
//!
//! A backend processes one request per call; concurrent calls run concurrently. It knows nothing of
//! wasmtime. [`triton`] sends requests to a Triton server, [`embedded`] runs ONNX models in
//! process. Access to models is decided in `policy`, not here.

pub mod embedded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(crate) mod model_files;
mod model_ref;
mod signature;
mod tensor;
pub mod triton;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use model_ref::ModelRef;
pub use tensor::{DataType, Shape, Tensor};

use keynet_base::budget::CallBudget;
use keynet_base::error::Result;

/// Tensor of one of a model's inputs or outputs.
#[derive(Debug, Clone)]
pub struct NamedTensor {
    /// Name of the input or output.
    pub name: String,
    /// Type, shape and elements.
    pub tensor: Tensor,
}

/// One inference request to one model.
#[derive(Debug, Clone)]
pub struct InferenceRequest {
    /// Model to run.
    pub model: ModelRef,
    /// Inputs, in any order; every input that the model requires.
    pub inputs: Vec<NamedTensor>,
    /// Names of the outputs to return, in this order; empty for all.
    pub outputs: Vec<String>,
    /// Request parameters: strings, numbers and booleans.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

/// Input or output as a model declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name of the input or output.
    pub name: String,
    /// Element type.
    pub data_type: DataType,
    /// Dimensions, outermost first, including the batch; -1 for a dynamic size.
    pub shape: Vec<i64>,
}

/// Description of a model, from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Name on the server.
    pub name: String,
    /// Versions that are ready, ascending.
    pub versions: Vec<String>,
    /// Backend of the server that runs it, such as `onnxruntime_onnx`.
    pub platform: String,
    /// Inputs of the model.
    pub inputs: Vec<TensorInfo>,
    /// Outputs of the model.
    pub outputs: Vec<TensorInfo>,
}

/// Model of a server's repository, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedModel {
    /// Name of the model.
    pub name: String,
    /// Version; `None` if the model was never loaded.
    pub version: Option<u64>,
    /// `READY`, `LOADING`, `UNLOADING` or `UNAVAILABLE`; `None` if the model was never loaded.
    pub state: Option<String>,
    /// Reason of the state, as reported by the server.
    pub reason: String,
}

impl IndexedModel {
    /// Reports whether it accepts requests.
    pub fn is_ready(&self) -> bool {
        self.state.as_deref() == Some("READY")
    }
}

/// Backend that runs models.
#[async_trait]
pub trait InferenceBackend: Send + Sync {
    /// Describes the backend for a log line: `models in ./models, run in process`.
    fn describe(&self) -> String;

    /// Returns the engine of the models, for a receipt: `triton`, `onnxruntime` or `rten`. `None`
    /// until it is known.
    fn engine(&self) -> Option<&'static str>;

    /// Runs one model and waits for its outputs. Responses are reserved in `budget.memory` before
    /// they are allocated.
    ///
    /// # Errors
    /// `invalid`: an input does not match the model; the text has the expected and the given
    /// signature. `not-found`: the model or version. `timeout` at `budget.deadline`. `unavailable`,
    /// `too-large`.
    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>>;

    /// Runs a model that may respond many times. The stream ends after the last response or the
    /// first error.
    ///
    /// # Errors
    /// The same as for [`InferenceBackend::predict`].
    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>>;

    /// Describes a model.
    ///
    /// # Errors
    /// The same as for [`InferenceBackend::predict`].
    async fn metadata(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelMetadata>;

    /// Releases the resources that a server holds for this backend, before the process ends. The
    /// backend can still be used afterwards.
    async fn close(&self) {}
}
