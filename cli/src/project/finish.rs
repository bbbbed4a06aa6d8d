//! Last steps of a build in any language: puts the action's requests into its component, and checks
//! that it is an action.

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

/// Name of the file with an action's requests, beside its manifest.
pub const MANIFEST: &str = "keynet.toml";

/// Returns the component with the library that it imports, and with the requests of the file at
/// `ask`, if the file exists.
///
/// # Errors
/// The library is not available or does not fit, or the file cannot be read or parsed.
pub fn finished(
    component: Vec<u8>,
    ask: &Path,
    config: &Config,
    steps: Steps,
) -> Result<Vec<u8>, ExpectedError> {
    with_manifest(imaging::composed(component, config, steps)?, ask)
}

/// Checks the requests in the file at `path`, if the file exists.
///
/// # Errors
/// The file cannot be read or parsed.
pub fn check_manifest(path: &Path) -> Result<(), ExpectedError> {
    match fs::read_to_string(path) {
        Ok(text) => CapabilityRequest::parse(&text).map(drop).map_err(|source| {
            ProjectError::CapabilityRequest { path: path.to_owned(), source }.into()
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ExpectedError::io("read", path)(error)),
    }
}

/// Returns the component with the requests of the file at `path`, if the file exists.
///
/// # Errors
/// The file cannot be read or parsed.
pub fn with_manifest(component: Vec<u8>, path: &Path) -> Result<Vec<u8>, ExpectedError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(CapabilityRequest::put_into(&text, component)
            .map_err(|source| ProjectError::CapabilityRequest { path: path.to_owned(), source })?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(component),
        Err(error) => Err(ExpectedError::io("read", path)(error)),
    }
}

/// Returns the name that the action describes itself with. The component is compiled for that, and
/// the first run uses the compiled module from the cache.
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
