//! Errors of building an image.

use std::io;
use std::path::{Path, PathBuf};

use keynet_artifact::ArtifactError;
use keynet_host::HostError;
use keynet_host::engine::{IdentityError, LoadError};

use crate::errors::{Diagnostic, Exit};

/// Error of building an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no `keynet-runtime` to include.
    #[error("there is no keynet-runtime at {}: build it with `cargo build --release -p \
        keynet-host`, or name it with --runtime", .0.display())]
    NoRuntime(PathBuf),
    /// A program or library is not one, or is for another kind of system.
    #[error("{}: {why}", path.display())]
    Binary {
        /// File of the program or library.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// A shared library is in none of the folders that are searched.
    #[error("{} needs the library {name}, which is in none of {looked}", by.display())]
    Library {
        name: String,
        /// Program or library that needs it.
        by: PathBuf,
        /// Folders that were searched, separated by commas.
        looked: String,
    },
    /// No file of certificate authorities was found.
    #[error(
        "no file of certificate authorities was found: install ca-certificates, or name one with \
            --ca-certificates"
    )]
    NoCertificates,
    /// The runtime cannot report its identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The reference cannot be used as a base.
    #[error("{reference} cannot be a base: {why}")]
    Base {
        /// Reference of the image.
        reference: String,
        /// Reason.
        why: String,
    },
    /// A registry or a layout reported an error.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The action cannot be compiled.
    #[error("the action cannot be compiled for {cpu}")]
    Compile {
        /// Processors that it was compiled for.
        cpu: String,
        source: LoadError,
    },
    /// The compiler cannot be set up.
    #[error(transparent)]
    Host(#[from] HostError),
    /// `SOURCE_DATE_EPOCH` is not a time.
    #[error("SOURCE_DATE_EPOCH is {0:?}: write the seconds since 1970, as a whole number")]
    Time(String),
    /// A file or folder cannot be used.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// Operation that failed.
        doing: &'static str,
        /// File or folder.
        path: PathBuf,
        source: io::Error,
    },
}

impl ImageError {
    /// Returns a function for `map_err`: `doing` is the operation that failed with `path`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl Diagnostic for ImageError {
    fn exit(&self) -> Exit {
        match self {
            Self::Compile { .. } => Exit::Component,
            Self::Time(_) => Exit::Configuration,
            Self::Artifact(error) => error.exit(),
            Self::Host(error) => error.exit(),
            _ => Exit::Io,
        }
    }

    fn context(&self) -> Option<&'static str> {
        match self {
            Self::Artifact(error) => error.context(),
            Self::Host(error) => error.context(),
            _ => Some("the image cannot be made"),
        }
    }
}
