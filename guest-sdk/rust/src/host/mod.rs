//! The implementation behind every call: the runtime's imports in a component, an environment in
//! memory in a native test.
//!
//! Both provide the same functions on the same types, so that the code above them exists only once.
//! Nothing here interprets values: shapes, names and locations are checked by the host.

#[cfg(target_family = "wasm")]
pub mod component;
#[cfg(target_family = "wasm")]
pub(crate) use component::{Object, PredictionStream, Tensor, Upload, storage, triton, user_input};

#[cfg(not(target_family = "wasm"))]
pub(crate) mod memory;
#[cfg(not(target_family = "wasm"))]
pub(crate) use memory::{Object, PredictionStream, Tensor, Upload, storage, triton, user_input};

/// Outputs of one prediction: names and tensors in the order of the host.
pub(crate) type NamedTensors = Vec<(String, Tensor)>;

/// One request to one model, as in `triton-predict.request`.
pub(crate) struct Request<'a> {
    pub model: &'a str,
    pub inputs: Vec<(&'a str, &'a Tensor)>,
    pub outputs: &'a [String],
    pub timeout_ms: Option<u32>,
    pub parameters: String,
}
