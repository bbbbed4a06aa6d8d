//! The caller's parameters, which can be read from anywhere in the code.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::{host, parameters, web};

/// Parameters of this activation as its caller sent them, without configuration or credentials.
///
/// ```
/// use keynet_inference_sdk::{UserInput, testing::Environment};
///
/// Environment::new().param("threshold", 0.3).param("label", "cat").run(|| {
///     assert_eq!(UserInput::get::<f64>("threshold")?.unwrap_or(0.5), 0.3);
///     assert_eq!(UserInput::get::<u32>("limit")?.unwrap_or(10), 10);
///
///     let mistake = UserInput::get::<f64>("label").unwrap_err();
///     assert_eq!(mistake.message(), "the parameter `label`: expected a number, came string \"cat\"");
///     Ok(())
/// })?;
/// Environment::new().param("threshold", "0.3").param("__ow_method", "get").run(|| {
///     assert_eq!(UserInput::get::<f64>("threshold")?, Some(0.3));
///     Ok(())
/// })?;
/// # Ok::<(), keynet_inference_sdk::Error>(())
/// ```
///
/// In a native test outside a [`testing::Environment`](crate::testing::Environment) every call is
/// `Unavailable`. If an action's parameters are an array (in a sequence), there are none here.
#[derive(Debug)]
#[non_exhaustive]
pub struct UserInput;

impl UserInput {
    /// Returns one parameter; `None` if it was not sent or is null. For a web action (which has the
    /// parameter `__ow_method`), whose queries and forms send text, a number or a boolean is parsed
    /// from text.
    ///
    /// # Errors
    /// `Invalid`: it is not a `T`; the message has the parameter, the expected type and the given
    /// value.
    pub fn get<T: DeserializeOwned>(name: &str) -> Result<Option<T>> {
        match host::user_input::get(name)? {
            Some(text) if text.trim() != "null" => {
                parameters::parse_one(name, &text, is_web).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns one parameter, which is required.
    ///
    /// # Errors
    /// `Invalid`: it was not sent, is null, or is not a `T`.
    pub fn require<T: DeserializeOwned>(name: &str) -> Result<T> {
        Self::get(name)?.ok_or_else(|| parameters::missing(name, None))
    }

    /// Returns the names of all parameters, in the order of their code points.
    ///
    /// # Errors
    /// None in an action.
    pub fn names() -> Result<Vec<String>> {
        host::user_input::names()
    }

    /// Returns all parameters.
    ///
    /// # Errors
    /// None in an action.
    pub fn all() -> Result<Map<String, Value>> {
        let text = host::user_input::all()?;
        serde_json::from_str(&text).map_err(|error| {
            Error::internal(format_args!("the parameters are not a JSON object: {error}"))
        })
    }
}

/// Reports whether the caller is a web action.
fn is_web() -> bool {
    matches!(host::user_input::get(web::METHOD), Ok(Some(_)))
}
