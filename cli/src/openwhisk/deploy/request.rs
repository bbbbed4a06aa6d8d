//! A deployment as it is requested, without the command line.

use std::path::PathBuf;

use keynet_openwhisk_api::action::Limits;
use keynet_openwhisk_api::annotations::{Web, WebSecure};
use keynet_openwhisk_api::name::ActionName;

use crate::errors::ExpectedError;
use crate::flags::RegistryArgs;
use crate::input::parameters::{Draft, Param};

/// A deployment as it is requested. `None` leaves a thing as it is, or to its default.
#[derive(Debug)]
pub struct DeployRequest {
    /// File or reference of the component; `None` if the image holds the action.
    pub action: Option<String>,
    /// Name of the action in OpenWhisk; the function's own if `None`.
    pub name: Option<ActionName>,
    /// Image that it runs in, as a blackbox.
    pub image: Option<String>,
    /// Kind of the manifest that it runs as.
    pub kind: Option<String>,
    /// Form in which it answers web requests.
    pub web: Option<Web>,
    /// Secret that callers of the web action must show.
    pub web_secure: Option<WebSecure>,
    /// Limits of the action.
    pub limits: Limits,
    /// Default parameters.
    pub parameters: Values,
    /// Variables of the container, which it gets at `/init`.
    pub variables: Values,
    /// Annotations.
    pub annotations: Vec<Param>,
    /// Whether the container gets the caller's key.
    pub provide_api_key: bool,
    /// Whether compiling the component is tried in the action's memory.
    pub check_memory: bool,
    /// Access to the registry of the component.
    pub registry: RegistryArgs,
}

/// Named values: those of a file, and those that stand above it.
#[derive(Debug, Default)]
pub struct Values {
    /// File with a JSON object; `-` is standard input.
    pub file: Option<PathBuf>,
    /// Values above it.
    pub values: Vec<Param>,
}

impl Values {
    /// Returns whether none are named.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.values.is_empty()
    }

    /// Reads the file, and puts the values above it.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold a JSON object.
    pub fn read(&self) -> Result<Draft, ExpectedError> {
        Draft::read(self.file.as_deref(), &self.values)
    }
}
