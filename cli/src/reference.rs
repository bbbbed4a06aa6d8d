//! The argument that names a component: a file, or the reference of a published component.

use std::path::{Path, PathBuf};

use keynet_artifact::ArtifactRef;
use keynet_base::Config;

use crate::errors::ExpectedError;
use crate::project::{ProjectError, ProjectSource, c, component_in, go, javascript, python};
use crate::ui::progress::Steps;

/// Location of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// A file of this machine.
    File(PathBuf),
    /// A published component.
    Published(ArtifactRef),
}

impl ComponentSource {
    /// Parses an argument: a file if it exists, else a reference if it has the form of one, else
    /// the missing file.
    ///
    /// # Errors
    /// The text can only be meant as a reference, and is not a valid one.
    pub fn parse(text: &str) -> Result<Self, ExpectedError> {
        let path = Path::new(text);
        if path.exists() {
            return Ok(Self::File(path.to_owned()));
        }
        let layout = text.starts_with("oci-layout:");
        match text.parse() {
            // `examples.d/action.wasm` is more likely a missing file than a repository without a
            // tag.
            _ if is_file_name(path) && !layout => Ok(Self::File(path.to_owned())),
            Ok(reference) => Ok(Self::Published(reference)),
            Err(error) if layout || text.contains("://") || text.contains('@') => Err(error.into()),
            Err(_) => Ok(Self::File(path.to_owned())),
        }
    }

    /// Builds the function that the path is the source or the project's folder of, unless nothing
    /// has changed since the last build, and returns the file of its component.
    ///
    /// # Errors
    /// The function cannot be built.
    pub fn built(self, config: &Config, steps: Steps) -> Result<Self, ExpectedError> {
        match self {
            Self::File(path) => Ok(Self::File(component_file(&path, config, steps)?)),
            published @ Self::Published(_) => Ok(published),
        }
    }
}

/// Returns the file of a component: `path`, or the component that is built from the source or the
/// project's folder at `path`.
///
/// # Errors
/// The function cannot be built.
pub fn component_file(
    path: &Path,
    config: &Config,
    steps: Steps,
) -> Result<PathBuf, ExpectedError> {
    if !path.is_dir() && !is_source(path) {
        return Ok(path.to_owned());
    }
    match ProjectSource::find(path) {
        Ok(project) => Ok(project.build(config, steps)?.path),
        // A folder without sources, to which a component was copied.
        Err(error) if is_no_project(&error) && component_in(path).is_file() => {
            Ok(component_in(path))
        }
        Err(error) => Err(error),
    }
}

fn is_no_project(error: &ExpectedError) -> bool {
    matches!(error.downcast_ref(), Some(ProjectError::NoProject(_)))
}

/// Reports whether an argument names a published component and no file of this machine.
pub fn is_reference(argument: &Path) -> bool {
    let parsed = argument.to_str().map(ComponentSource::parse);
    matches!(parsed, Some(Ok(ComponentSource::Published(_))))
}

/// Parses an argument that must be a reference.
///
/// # Errors
/// The text is not a reference.
pub fn parse(text: &str) -> Result<ArtifactRef, ExpectedError> {
    Ok(text.parse()?)
}

/// Returns whether a path has the ending of a function's source.
fn is_source(path: &Path) -> bool {
    python::is_python(path) || go::is_go(path) || javascript::is_script(path) || c::is_c(path)
}

fn is_file_name(path: &Path) -> bool {
    is_source(path)
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
        assert_eq!(
            ComponentSource::parse(path.to_str().unwrap()).unwrap(),
            ComponentSource::File(path)
        );
    }

    #[test]
    fn what_is_written_like_a_reference_is_one() {
        for text in [
            "registry.example.com/team/detector:1.0",
            "localhost:5000/detector",
            "oci-layout:artifacts:detector",
        ] {
            assert!(
                matches!(ComponentSource::parse(text).unwrap(), ComponentSource::Published(_)),
                "{text}"
            );
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
            assert_eq!(
                ComponentSource::parse(text).unwrap(),
                ComponentSource::File(text.into()),
                "{text}"
            );
        }
        for text in ["oci-layout:", "oci://localhost:5000/a", "localhost:5000/a@sha256:12"] {
            assert!(ComponentSource::parse(text).is_err(), "{text}");
        }
    }
}
