//! SDK for inference actions in Rust: an action reads an input, runs a model, and stores the
//! result.
//!
//! An action is a library crate with one function:
//!
//! ```
//! # fn test() -> keynet_inference_sdk::Result<()> {
//! use keynet_inference_sdk::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Args {
//!     /// URL of the picture, or its key in the bucket.
//!     image_url: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Output {
//!     url: String,
//!     bright_pixels: usize,
//! }
//!
//! #[keynet_function(name = "bright-spots", description = "Marks what a model finds bright in a picture.")]
//! fn main(args: Args) -> Result<Output> {
//!     let storage = Storage::new()?;
//!     let image = storage.get(&args.image_url)?;
//!     ensure!(!image.is_empty(), invalid, "the picture `{}` is empty", args.image_url);
//!
//!     // The model expects FP32 of shape [1, pixels], 0 to 1.
//!     let pixels: Vec<f32> = image.iter().map(|byte| f32::from(*byte) / 255.0).collect();
//!     let input = Tensor::from_slice(&[1, pixels.len()], &pixels)?;
//!     let outputs = Triton::new()?.predict([("input_0", &input)])?;
//!
//!     let threshold = threshold()?;
//!     let marked: Vec<u8> =
//!         outputs["output_0"].elements::<f32>()?.iter().map(|score| u8::from(*score > threshold)).collect();
//!     println!("marked {} pixels", marked.len());
//!
//!     let stored = storage.put(&marked, "application/octet-stream")?;
//!     Ok(Output { url: stored.url, bright_pixels: marked.iter().filter(|mark| **mark == 1).count() })
//! }
//!
//! /// Parameters can be read anywhere.
//! fn threshold() -> Result<f32> {
//!     Ok(UserInput::get("threshold")?.unwrap_or(0.5))
//! }
//!
//! // In a test: parameters, objects and models in memory.
//! use keynet_inference_sdk::testing::Environment;
//!
//! let environment = Environment::new()
//!     .param("image_url", "spots.raw")
//!     .object("spots.raw", [0, 255, 204])
//!     .model("identity", |inputs| {
//!         let same = inputs["input_0"].to_vec::<f32>()?;
//!         Ok([("output_0", Tensor::from_vec(&[1, same.len()], same)?)])
//!     });
//! assert_eq!(environment.call(main)?["bright_pixels"], 2);
//! assert_eq!(environment.written()[0].data, [0, 1, 1]);
//! # Ok(())
//! # }
//! # test().unwrap();
//! ```
//!
//! Its `Cargo.toml` (`keynet-inference new --lang rust NAME` writes all of this):
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! keynet-inference-sdk = "0.1"
//! serde = { version = "1", features = ["derive"] }
//!
//! # Small components that start fast. The name section stays: it gives the functions in a trap report their names.
//! [profile.release]
//! opt-level = "s"
//! lto = true
//! codegen-units = 1
//! panic = "abort"
//! strip = "debuginfo"
//! ```
//!
//! Its `build.rs` prints `cargo::rustc-link-arg-cdylib=--initial-heap=1048576` for the target
//! wasm32: a small run then does not grow its memory, which would cost as much as the rest of the
//! run.
//!
//! `cargo build --release --target wasm32-wasip2` and `cargo component build --release` both build
//! the component from it.
//!
//! # Main items
//!
//! - [`keynet_function`] marks the function. Its one argument is a
//!   `#[derive(Deserialize, JsonSchema)]` type, whose schema and doc comments describe the parameters to callers, or
//!   [`serde_json::Value`] for any parameters; or it has no argument. Its result becomes a JSON
//!   object or array.
//! - [`UserInput`] reads the caller's parameters, from anywhere in the code.
//! - [`Triton`] runs models. A [`Tensor`] stays in the host until its elements are read.
//! - [`Storage`] reads and writes objects.
//!
//! # Errors
//!
//! Functions return [`Result`]; `?` converts any error. [`Error::invalid`] (or `bail!(invalid, …)`)
//! reports wrong input of the caller, every other kind a failure of the action. Errors of the host
//! have a [kind](ErrorKind) to match on. A panic ends the activation with its message.
//!
//! # Logs
//!
//! Standard output and standard error are the activation's log. The macros of the crate `log` write
//! there too, from level `info` on, or from the level in the environment variable `RUST_LOG` (one
//! level for all crates: `debug`); those of `tracing` with the feature `tracing`.
//!
//! # Features
//!
//! - `ndarray`: [`Tensor`] from and to arrays of the crate `ndarray` 0.17.
//! - `half`: `half::f16` and `half::bf16` as elements.
//! - `tracing`: events of the crate `tracing` go to the logs.
//!
//! # Without a runtime
//!
//! Compiled for any target other than wasm, all calls use the [`testing::Environment`] of the
//! thread, and fail with `Unavailable` outside one.

#![warn(missing_docs)]

mod data_type;
mod error;
#[cfg(target_family = "wasm")]
mod exports;
pub mod function;
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
mod web;

pub use data_type::{DataType, Element};
pub use error::{Context, Error, ErrorKind, Result};
pub use keynet_inference_sdk_macros::keynet_function;
pub use schemars::{self, JsonSchema};
pub use serde_json;
pub use storage::{List, Object, ObjectInfo, PutOptions, Storage, Stored, Upload, WriteGrant};
pub use tensor::{Elements, Tensor};
pub use triton::{ModelMetadata, PredictionStream, Request, TensorInfo, Tensors, Triton};
pub use user_input::UserInput;

/// Items that most actions need: `use keynet_inference_sdk::prelude::*;`
///
/// This includes serde's `Deserialize` and `Serialize` (the action depends on `serde` itself),
/// `Value` and `json!`, and `schemars`, which the derive of `JsonSchema` refers to by that name.
pub mod prelude {
    pub use crate::{
        Context, DataType, Error, ErrorKind, JsonSchema, Result, Storage, Tensor, Triton,
        UserInput, bail, ensure, keynet_function,
    };
    pub use schemars;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}

/// Items that the attribute macro's expansion uses; not for direct use.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod __private {
    pub use crate::exports::{describe, run};
    pub use crate::host::component::bindings;
    pub use crate::host::component::bindings::exports::keynet::inference::function::{
        FunctionInfo, Guest,
    };
    pub use crate::host::component::bindings::keynet::inference::types::Error as HostError;
}
