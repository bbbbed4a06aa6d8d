//! Why a project cannot be made or built.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use keynet_artifact::CapabilityRequestError;
use keynet_host::ActionError;

use super::imaging::ImagingError;
use crate::errors::{Diagnostic, Exit};

/// What is wrong with the project, or with what builds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The name of a new project.
    #[error("{name:?} cannot be the name of a {language} action: {why}")]
    Name {
        /// What was asked for.
        name: String,
        /// Its language.
        language: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is something where the project would be.
    #[error("{} is there already and is not an empty folder", .0.display())]
    Occupied(PathBuf),
    /// Nothing to build.
    #[error(
        "{} is not a project: it has no Cargo.toml, no Python file with @keynet_function, no \
            package.json that depends on @keynet/inference, no Go file that imports the SDK, and no \
            main.c or main.cpp",
        .0.display()
    )]
    NoProject(PathBuf),
    /// A folder with projects in several languages.
    #[error("{} has projects in several languages: {}", folder.display(), languages.join(", "))]
    SeveralLanguages {
        /// The folder.
        folder: PathBuf,
        /// The files that make it a project of each.
        languages: Vec<String>,
    },
    /// A project in Rust where a component is wanted.
    #[error("{} is a project in Rust, which is built first", .0.display())]
    BuildFirst(PathBuf),
    /// Arguments for cargo where it is not run.
    #[error("arguments for cargo were given, and {} is built without it", .0.display())]
    NotCargo(PathBuf),
    /// The imaging library for an action.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
    /// The SDK that a project was made with is gone.
    #[error("the project's SDK is not at {} any more", path.display())]
    SdkGone {
        /// Where the project looks for it.
        path: PathBuf,
        /// Where this version's is.
        instead: PathBuf,
    },
    /// Rust cannot build components.
    #[error("no Rust toolchain with the target wasm32-wasip2 was found")]
    NoToolchain,
    /// cargo cannot be started.
    #[error("cargo cannot be started")]
    NoCargo(#[source] io::Error),
    /// cargo has told why.
    #[error("cargo could not build the project ({0})")]
    CargoFailed(ExitStatus),
    /// cargo built nothing that could be an action.
    #[error("{0}")]
    Artifact(String),
    /// The project's `keynet.toml`.
    #[error("{} cannot be used", path.display())]
    CapabilityRequest {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: CapabilityRequestError,
    },
    /// What was built is not an action.
    #[error("the project was built, but the component it makes is not an action")]
    NotAnAction(#[source] ActionError),
}

impl Diagnostic for ProjectError {
    fn exit(&self) -> Exit {
        Exit::Project
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Occupied(_) => "choose another name, or remove it",
            Self::NoProject(_) => {
                "make one with `keynet-inference new NAME --lang LANGUAGE`; name its folder with \
                    --path, or the file of its function"
            }
            Self::SeveralLanguages { .. } => {
                "name the file of the function to build, such as `keynet-inference build main.go`; \
                    a project in Rust needs a folder of its own"
            }
            Self::BuildFirst(_) => {
                "run `keynet-inference build`, and name the action.wasm that it makes"
            }
            Self::NotCargo(_) => "leave out --profile and what follows --",
            Self::Imaging(error) => return error.hint(),
            Self::SdkGone { instead, .. } => {
                return Some(format!(
                    "this version's SDK is at {}: write that path into the project's Cargo.toml",
                    instead.display()
                ));
            }
            Self::NoToolchain => {
                "run `rustup target add wasm32-wasip2`; where that target cannot be downloaded, \
                    `guest-sdk/setup-wasm-toolchain` in a clone of keynet-inference builds a \
                    toolchain called keynet-wasm"
            }
            Self::NoCargo(_) => "install Rust from https://rustup.rs",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
