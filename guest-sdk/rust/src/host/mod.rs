//! The far side of every call: the runtime's imports in a component, an environment in memory in a
//! native test.
//!
//! Both offer the same functions on the same types, so that everything above is written once.
//! Nothing here interprets: shapes, names and locations are checked by the host.

#[cfg(target_family = "wasm")]
pub mod component;
#[cfg(target_family = "wasm")]
pub(crate) use component::{Object, PredictionStream, Tensor, Upload, storage, triton, user_input};

#[cfg(not(target_family = "wasm"))]
pub(crate) mod memory;
#[cfg(not(target_family = "wasm"))]
pub(crate) use memory::{Object, PredictionStream, Tensor, Upload, storage, triton, user_input};

/// Outputs of one prediction: names and tensors in the order the host gave.
pub(crate) type NamedTensors = Vec<(String, Tensor)>;

/// One question to one model, as in `triton-predict.request`.
pub(crate) struct Request<'a> {
    pub model: &'a str,
    pub inputs: Vec<(&'a str, &'a Tensor)>,
    pub outputs: &'a [String],
    pub timeout_ms: Option<u32>,
    pub parameters: String,
}
