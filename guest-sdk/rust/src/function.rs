//! Adapters between the exported `run` and the user's function.

use std::error::Error as StdError;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::parameters::{self, Parameters};

/// Type that a `#[keynet_function]` can return in `Ok`: a type with `#[derive(Serialize)]` that
/// becomes a JSON object or array.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an inference function",
    label = "the result must be `Serialize`",
    note = "put `#[derive(Serialize)]` on `{Self}`, and on the types of its fields; or return \
        `serde_json::Value`, made with `json!({{…}})`"
)]
pub trait Answer: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Answer for T {}

/// Type that a `#[keynet_function]` can return in `Err`: the SDK's `Error`, `anyhow::Error`, any
/// type that implements `std::error::Error`, a string.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an inference function",
    label = "this is not an error",
    note = "return `keynet_inference_sdk::Result<T>`: `?` turns any error into its error"
)]
pub trait Failure: Into<Box<dyn StdError>> {}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn StdError>>> Failure for E {}

/// Parses the text of `args`, calls the user's function, and returns its result as text.
pub fn call<A: Parameters, T: Answer, E: Failure>(
    function: impl FnOnce(A) -> std::result::Result<T, E>,
    args: &str,
) -> Result<String> {
    let args = parameters::parse(args)?;
    finish(function(args))
}

/// Same as [`call`], for a function without parameters.
pub fn call_without_parameters<T: Answer, E: Failure>(
    function: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<String> {
    finish(function())
}

fn finish<T: Answer, E: Failure>(result: std::result::Result<T, E>) -> Result<String> {
    let value = result.map_err(|error| Error::from_boxed(error.into()))?;
    let text = serde_json::to_string(&value).map_err(|error| {
        Error::internal(format_args!("the result cannot be written as JSON: {error}"))
    })?;
    if text.starts_with(['{', '[']) {
        return Ok(text);
    }
    let shown: String = text.chars().take(60).collect();
    Err(Error::internal(format_args!(
        "the function returned {shown}, but a result must be a JSON object or array: return a \
            struct, or `json!({{\"result\": …}})`"
    )))
}

#[cfg(target_family = "wasm")]
mod exported {
    use super::{Answer, Failure, Parameters, call, call_without_parameters};
    use crate::host::component::bindings::exports::keynet::inference::function::FunctionInfo;
    use crate::host::component::bindings::keynet::inference::types::Error;
    use crate::{logging, parameters};

    /// Implements `describe` of a function with parameters.
    pub fn describe<A: Parameters>(name: &str, description: &str) -> FunctionInfo {
        FunctionInfo {
            name: name.to_owned(),
            description: description.to_owned(),
            input_schema: parameters::published_schema::<A>(),
        }
    }

    /// Implements `describe` of a function without parameters.
    pub fn describe_without_parameters(name: &str, description: &str) -> FunctionInfo {
        FunctionInfo {
            name: name.to_owned(),
            description: description.to_owned(),
            input_schema: None,
        }
    }

    /// Implements `run` of a function with parameters.
    pub fn run<A: Parameters, T: Answer, E: Failure>(
        function: impl FnOnce(A) -> Result<T, E>,
        args: &str,
    ) -> Result<String, Error> {
        logging::start();
        let result = call(function, args);
        logging::flush();
        Ok(result?)
    }

    /// Implements `run` of a function without parameters.
    pub fn run_without_parameters<T: Answer, E: Failure>(
        function: impl FnOnce() -> Result<T, E>,
        _args: &str,
    ) -> Result<String, Error> {
        logging::start();
        let result = call_without_parameters(function);
        logging::flush();
        Ok(result?)
    }
}

#[cfg(target_family = "wasm")]
pub use exported::{describe, describe_without_parameters, run, run_without_parameters};
