//! Why an image cannot be made.

use std::io;
use std::path::{Path, PathBuf};

use keynet_artifact::ArtifactError;
use keynet_host::HostError;
use keynet_host::engine::{IdentityError, LoadError};

use crate::errors::{Diagnostic, Exit};

/// What is wrong with which part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no `keynet-runtime` to put into it.
    #[error("there is no keynet-runtime at {}: build it with `cargo build --release -p \
        keynet-host`, or name it with --runtime", .0.display())]
    NoRuntime(PathBuf),
    /// A program or library that is not one, or not for this kind of system.
    #[error("{}: {why}", path.display())]
    Binary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A shared library that nobody has.
    #[error("{} needs the library {name}, which is in none of {looked}", by.display())]
    Library {
        /// Its name.
        name: String,
        /// Who needs it.
        by: PathBuf,
        /// Where it was looked for.
        looked: String,
    },
    /// No certificate authorities to trust.
    #[error(
        "no file of certificate authorities was found: install ca-certificates, or name one with \
            --ca-certificates"
    )]
    NoCertificates,
    /// The runtime does not say what it is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A base that no action can be put on.
    #[error("{reference} cannot be a base: {why}")]
    Base {
        /// Its reference.
        reference: String,
        /// What is wrong with it.
        why: String,
    },
    /// A registry or a layout.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The action cannot be compiled.
    #[error("the action cannot be compiled for {cpu}")]
    Compile {
        /// For which processors.
        cpu: String,
        /// Why not.
        source: LoadError,
    },
    /// The compiler cannot be set up.
    #[error(transparent)]
    Host(#[from] HostError),
    /// `SOURCE_DATE_EPOCH`.
    #[error("SOURCE_DATE_EPOCH is {0:?}: write the seconds since 1970, as a whole number")]
    Time(String),
    /// A file or folder.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ImageError {
    /// For `map_err`: what was tried with which file.
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
