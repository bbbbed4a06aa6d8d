//! Asking models: the types every backend shares, and the trait it implements.
//!
//! A backend answers one request at a time; asking many at once is asking it concurrently. It knows
//! nothing of wasmtime. [`triton`] asks a Triton server, [`embedded`] runs ONNX models in process.
//! What a model may be asked by whom is not decided here but in `policy`.

pub mod embedded;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(crate) mod model_files;
mod model_ref;
mod registered;
mod signature;
mod tensor;
pub mod triton;

use async_trait::async_trait;
use futures::stream::BoxStream;

pub use model_ref::ModelRef;
pub use registered::Registered;
pub use tensor::{DataType, Shape, Tensor};

use crate::budget::CallBudget;
use crate::error::Result;

/// A tensor for one of a model's inputs, or from one of its outputs.
#[derive(Debug, Clone)]
pub struct NamedTensor {
    /// The name the model gives it.
    pub name: String,
    /// Its elements.
    pub tensor: Tensor,
}

/// One question to one model.
#[derive(Debug, Clone)]
pub struct InferenceRequest {
    /// The model to ask.
    pub model: ModelRef,
    /// Every input the model needs, in any order.
    pub inputs: Vec<NamedTensor>,
    /// Names of the outputs to return, in this order; empty for all.
    pub outputs: Vec<String>,
    /// Request parameters: strings, numbers and booleans.
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

/// An input or output as a model declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// The only element type it has.
    pub data_type: DataType,
    /// Its dimensions, outermost first, the batch included; -1 stands for any size.
    pub shape: Vec<i64>,
}

/// What a server says about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Its name on the server.
    pub name: String,
    /// The versions that can be asked now, ascending.
    pub versions: Vec<String>,
    /// What runs it, such as `onnxruntime_onnx`.
    pub platform: String,
    /// What it takes.
    pub inputs: Vec<TensorInfo>,
    /// What it returns.
    pub outputs: Vec<TensorInfo>,
}

/// A model of a server's repository, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedModel {
    /// The model's name.
    pub name: String,
    /// The version; none where the model was never loaded.
    pub version: Option<u64>,
    /// `READY`, `LOADING`, `UNLOADING` or `UNAVAILABLE`; none where the model was never loaded.
    pub state: Option<String>,
    /// Why it is in that state, in the server's words.
    pub reason: String,
}

impl IndexedModel {
    /// Whether it can be asked.
    pub fn is_ready(&self) -> bool {
        self.state.as_deref() == Some("READY")
    }
}

/// Something that runs models.
#[async_trait]
pub trait InferenceBackend: Send + Sync {
    /// Where it is, for a log line: `models in ./models, run in process`.
    fn describe(&self) -> String;

    /// Returns the engine of the models, for a receipt: `triton`, `onnxruntime` or `rten`. `None`
    /// until it is known.
    fn engine(&self) -> Option<&'static str>;

    /// Asks one model and waits for its answer. Answers are reserved in `budget.memory` before they
    /// are allocated.
    ///
    /// # Errors
    /// `invalid`: an input does not suit the model: the text says what was expected and what came.
    /// `not-found`: the model or version. `timeout` at `budget.deadline`. `unavailable`,
    /// `too-large`.
    async fn predict(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<Vec<NamedTensor>>;

    /// Asks a model that may answer many times. The stream ends after the last answer or the first
    /// error.
    ///
    /// # Errors
    /// As for [`InferenceBackend::predict`].
    async fn predict_stream(
        &self,
        request: InferenceRequest,
        budget: &CallBudget,
    ) -> Result<BoxStream<'static, Result<Vec<NamedTensor>>>>;

    /// Describes a model.
    ///
    /// # Errors
    /// As for [`InferenceBackend::predict`].
    async fn metadata(&self, model: &ModelRef, budget: &CallBudget) -> Result<ModelMetadata>;

    /// Gives back what a server holds for this backend, before the process ends. It can be asked
    /// afterwards all the same.
    async fn close(&self) {}
}
