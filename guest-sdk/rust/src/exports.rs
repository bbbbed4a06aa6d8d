//! Exports of the component, by the function that the attribute macro makes of the user's.

use crate::error::Result;
use crate::host::component::bindings::exports::keynet::inference::function::FunctionInfo;
use crate::host::component::bindings::keynet::inference::types::Error;
use crate::logging;

/// Implements `describe`.
pub fn describe(name: &str, description: &str, input_schema: Option<String>) -> FunctionInfo {
    FunctionInfo { name: name.to_owned(), description: description.to_owned(), input_schema }
}

/// Implements `run` by a function from the text of the parameters to that of the result.
pub fn run(call: fn(&str) -> Result<String>, args: &str) -> Result<String, Error> {
    logging::start();
    let result = call(args);
    logging::flush();
    Ok(result?)
}
