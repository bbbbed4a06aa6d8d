//! A deployment as requested, independent of the command line.

use std::path::PathBuf;

use keynet_openwhisk_api::action::Limits;
use keynet_openwhisk_api::annotations::{Web, WebSecure};
use keynet_openwhisk_api::name::ActionName;

use crate::errors::ExpectedError;
use crate::flags::RegistryArgs;
use crate::input::parameters::{Draft, Param};

/// A deployment as requested. `None` leaves a setting unchanged, or at its default.
#[derive(Debug)]
pub struct DeployRequest {
    /// File or reference of the component; `None` if the image holds the action.
    pub action: Option<String>,
    /// Name of the action in OpenWhisk; the function's own if `None`.
    pub name: Option<ActionName>,
    /// Image that it runs in, as a blackbox.
    pub image: Option<String>,
    /// Kind of the runtime manifest that it runs as.
    pub kind: Option<String>,
    /// Form of its web responses.
    pub web: Option<Web>,
    /// Secret that callers of the web action must send.
    pub web_secure: Option<WebSecure>,
    /// Limits of the action.
    pub limits: Limits,
    /// Default parameters.
    pub parameters: Values,
    /// Variables of the container, which it gets at `/init`.
    pub variables: Values,
    /// Annotations.
    pub annotations: Vec<Param>,
    /// `true` to pass the caller's key to the container.
    pub provide_api_key: bool,
    /// `true` to check that the component can be compiled in the action's memory.
    pub check_memory: bool,
    /// Access to the registry of the component.
    pub registry: RegistryArgs,
}

/// Named values: those of a file, and those that override it.
#[derive(Debug, Default)]
pub struct Values {
    /// File with a JSON object; `-` is standard input.
    pub file: Option<PathBuf>,
    /// Values that override the file.
    pub values: Vec<Param>,
}

impl Values {
    /// Reports whether there is neither a file nor a value.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.values.is_empty()
    }

    /// Reads the file and sets the values over it.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold a JSON object.
    pub fn read(&self) -> Result<Draft, ExpectedError> {
        Draft::read(self.file.as_deref(), &self.values)
    }
}
