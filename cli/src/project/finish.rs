//! The last steps of a build in any language: what the action asks for goes into its component,
//! which must be an action.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use keynet_artifact::CapabilityRequest;
use keynet_base::Config;
use keynet_host::Host;

use super::{ProjectError, imaging};
use crate::errors::ExpectedError;
use crate::runtime::{self, Work};
use crate::ui::progress::Steps;

/// What an action asks for, beside its manifest.
pub const MANIFEST: &str = "keynet.toml";

/// Returns the component with the library that it imports, and with what the file at `ask`, if
/// there is one, asks for.
///
/// # Errors
/// The library cannot be had or does not fit, or the file cannot be read or understood.
pub fn finished(
    component: Vec<u8>,
    ask: &Path,
    config: &Config,
    steps: Steps,
) -> Result<Vec<u8>, ExpectedError> {
    with_manifest(imaging::composed(component, config, steps)?, ask)
}

/// Returns the component with what the file at `path`, if there is one, asks for.
///
/// # Errors
/// The file cannot be read or understood.
pub fn with_manifest(component: Vec<u8>, path: &Path) -> Result<Vec<u8>, ExpectedError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(CapabilityRequest::put_into(&text, component)
            .map_err(|source| ProjectError::CapabilityRequest { path: path.to_owned(), source })?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(component),
        Err(error) => Err(ExpectedError::io("read", path)(error)),
    }
}

/// Returns the name that the action gives itself. It is compiled for that, which the first run then
/// finds done.
///
/// # Errors
/// The component is not an action.
pub fn name_of(component: &[u8], config: &Config) -> Result<String, ExpectedError> {
    let host = Host::builder(config).describing().build()?;
    let load = host.load(component);
    let action = runtime::start(Work::One)?.block_on(load).map_err(ProjectError::NotAnAction)?;
    Ok(action.description().name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_ask_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MANIFEST);
        assert_eq!(with_manifest(vec![1], &path).unwrap(), [1]);
        fs::write(&path, "modles = []").unwrap();
        let error = with_manifest(Vec::new(), &path).unwrap_err().one_line();
        assert!(error.contains("keynet.toml") && error.contains("modles"), "{error}");
    }
}
