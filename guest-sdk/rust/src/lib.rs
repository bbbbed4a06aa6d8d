//! Write inference actions in Rust.
#![warn(missing_docs)]

mod data_type;
mod error;
mod function;
mod host;
mod logging;
#[cfg(feature = "ndarray")]
mod ndarray;
mod parameters;
mod storage;
mod tensor;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod triton;
mod user_input;

pub use data_type::{DataType, Element};
pub use error::{Context, Error, ErrorKind, Result};
pub use keynet_inference_sdk_macros::keynet_function;
pub use schemars;
pub use schemars::JsonSchema;
pub use serde_json;
pub use storage::{List, Object, ObjectInfo, PutOptions, Storage, Stored, Upload, WriteGrant};
pub use tensor::{Elements, Tensor};
pub use triton::{ModelMetadata, PredictionStream, Request, TensorInfo, Tensors, Triton};
pub use user_input::UserInput;

/// What most actions need: `use keynet_inference_sdk::prelude::*;`
pub mod prelude {
    pub use crate::{
        Context, DataType, Error, ErrorKind, JsonSchema, Result, Storage, Tensor, Triton, UserInput, bail, ensure, keynet_function,
    };
    pub use schemars;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}

/// What the attribute macro expands to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::function::*;
    #[cfg(target_family = "wasm")]
    pub use crate::host::component::bindings;
    #[cfg(target_family = "wasm")]
    pub use crate::host::component::bindings::exports::keynet::inference::function::{FunctionInfo, Guest};
    #[cfg(target_family = "wasm")]
    pub use crate::host::component::bindings::keynet::inference::types::Error as HostError;
    pub use crate::parameters::Parameters;
}
