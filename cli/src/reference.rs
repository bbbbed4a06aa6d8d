//! What a command is given: a file, or the reference of a published component.

use std::path::{Path, PathBuf};

use keynet_host::Config;
use keynet_host::artifact::ArtifactRef;

use crate::errors::ExpectedError;
use crate::progress::Steps;
use crate::project::{c, python};

/// Where a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// On this machine.
    File(PathBuf),
    /// Published.
    Published(ArtifactRef),
}

impl Source {
    /// A file if there is one, else a reference if it is written like one, else the file that is
    /// missing.
    ///
    /// # Errors
    /// It can only be meant as a reference, and is none.
    pub fn parse(text: &str) -> Result<Self, ExpectedError> {
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self::File(path.to_owned()));
        }
        let layout = text.starts_with("oci-layout:");
        match text.parse() {
            // `examples.d/action.wasm` is more likely a file that is not there than a repository
            // without tag.
            _ if is_file_name(path) && !layout => Ok(Self::File(path.to_owned())),
            Ok(reference) => Ok(Self::Published(reference)),
            Err(error) if layout || text.contains("://") || text.contains('@') => Err(error.into()),
            Err(_) => Ok(Self::File(path.to_owned())),
        }
    }

    /// Builds a function in Python, C or C++ that is named by its file, unless nothing has changed since, and
    /// names its component instead.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn built(self, config: &Config, steps: Steps) -> Result<Self, ExpectedError> {
        match self {
            Self::File(path) => Ok(Self::File(component_file(&path, config, steps)?)),
            published @ Self::Published(_) => Ok(published),
        }
    }
}

/// Returns the file of a component: `path`, or that of the component which is built of the function
/// in Python, C or C++ at `path`.
///
/// # Errors
/// The function cannot be built.
pub fn component_file(
    path: &Path,
    config: &Config,
    steps: Steps,
) -> Result<PathBuf, ExpectedError> {
    if python::is_python(path) {
        Ok(python::build(&python::Function::at(path)?, config, steps)?.path)
    } else if c::is_c(path) {
        Ok(c::build(&c::CProject::at(path)?, config, steps)?.path)
    } else {
        Ok(path.to_owned())
    }
}

/// Reads a reference that may be nothing else.
///
/// # Errors
/// It is none.
pub fn parse(text: &str) -> Result<ArtifactRef, ExpectedError> {
    Ok(text.parse()?)
}

fn is_file_name(path: &Path) -> bool {
    python::is_python(path)
        || c::is_c(path)
        || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_no_reference() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.example.com");
        std::fs::write(&path, "").unwrap();
        assert_eq!(Source::parse(path.to_str().unwrap()).unwrap(), Source::File(path));
    }

    #[test]
    fn what_is_written_like_a_reference_is_one() {
        for text in [
            "registry.example.com/team/detector:1.0",
            "localhost:5000/detector",
            "oci-layout:artifacts:detector",
        ] {
            assert!(matches!(Source::parse(text).unwrap(), Source::Published(_)), "{text}");
        }
        for text in [
            "missing.wasm",
            "./missing.wasm",
            "example.com/missing.py",
            "a@b.wasm",
            "examples.d/action.wasm",
            "detector",
            "team/detector:1",
        ] {
            assert_eq!(Source::parse(text).unwrap(), Source::File(text.into()), "{text}");
        }
        for text in ["oci-layout:", "oci://localhost:5000/a", "localhost:5000/a@sha256:12"] {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }
}
