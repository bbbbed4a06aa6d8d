//! Requirements on an inference function: the types that it takes and returns, which the attribute
//! [`keynet_function`](crate::keynet_function) checks.
//!
//! The traits have no supertraits: the compiler would report each of them beside the trait.

use std::error::Error as StdError;

use serde::Serialize;

use crate::error::{Error, Result};
pub use crate::parameters::Parameters;

/// Type that a `#[keynet_function]` can return in `Ok`: a type with `#[derive(Serialize)]` that
/// becomes a JSON object or array.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of an inference function",
    label = "the result must be `Serialize`",
    note = "put `#[derive(Serialize)]` on `{Self}`, and on the types of its fields; or return \
        `serde_json::Value`, made with `json!({{…}})`"
)]
pub trait Answer {
    /// Returns the result as JSON text.
    #[doc(hidden)]
    fn into_text(self) -> Result<String>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Answer for T {
    fn into_text(self) -> Result<String> {
        to_text(&self)
    }
}

/// Type that a `#[keynet_function]` can return in `Err`: the SDK's `Error`, `anyhow::Error`, any
/// type that implements `std::error::Error`, a string.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an inference function",
    label = "this is not an error",
    note = "return `keynet_inference_sdk::Result<T>`: `?` turns any error into its error"
)]
pub trait Failure {
    /// Returns the failure as the SDK's error.
    #[doc(hidden)]
    fn into_error(self) -> Error;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn StdError>>> Failure for E {
    fn into_error(self) -> Error {
        Error::from_boxed(self.into())
    }
}

fn to_text(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value).map_err(|error| {
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
