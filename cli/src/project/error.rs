//! Errors of making or building a project.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use keynet_artifact::CapabilityRequestError;
use keynet_host::ActionError;

use super::imaging::ImagingError;
use super::sdk;
use crate::errors::{Diagnostic, Exit};

/// Error in the project, or in the tools that build it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The name of a new project is not valid.
    #[error("{name:?} cannot be the name of a {language} action: {why}")]
    Name {
        /// Requested name.
        name: String,
        /// Language of the project.
        language: &'static str,
        /// Reason.
        why: &'static str,
        /// Valid name that is like it.
        instead: String,
    },
    /// The project's path exists and is not an empty folder.
    #[error("{} is there already and is not an empty folder", .0.display())]
    Occupied(PathBuf),
    /// The folder has no project in any language.
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
        /// The file of each language that makes the folder a project.
        languages: Vec<String>,
    },
    /// Arguments for cargo were given for a project that cargo does not build.
    #[error("arguments for cargo were given, and {} is built without it", .0.display())]
    NotCargo(PathBuf),
    /// The imaging library cannot be put into the action.
    #[error(transparent)]
    Imaging(#[from] ImagingError),
    /// The SDK that the project was made with no longer exists.
    #[error("the project's SDK is not at {} any more", .0.display())]
    SdkGone(PathBuf),
    /// The project has no SDK in its folder to update.
    #[error("{} has no SDK in the folder {} to update", .0.display(), sdk::FOLDER)]
    NoSdkFolder(PathBuf),
    /// No Rust toolchain can build components.
    #[error("no Rust toolchain with the target wasm32-wasip2 was found")]
    NoToolchain,
    /// cargo cannot be started.
    #[error("cargo cannot be started")]
    NoCargo(#[source] io::Error),
    /// cargo failed; its messages were printed.
    #[error("cargo could not build the project ({0})")]
    CargoFailed(ExitStatus),
    /// cargo built no component, or several.
    #[error("{0}")]
    Artifact(String),
    /// The project's `keynet.toml` cannot be used.
    #[error("{} cannot be used", path.display())]
    CapabilityRequest {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        source: CapabilityRequestError,
    },
    /// The component that was built is not an action.
    #[error("the project was built, but the component it makes is not an action")]
    NotAnAction(#[source] ActionError),
}

impl Diagnostic for ProjectError {
    fn exit(&self) -> Exit {
        Exit::Project
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Name { instead, .. } => {
                return Some(format!("`{instead}` is a name that can be used"));
            }
            Self::Occupied(_) => "choose another name, or remove it",
            Self::NoProject(_) => {
                "make one with `keynet-inference new NAME --lang LANGUAGE`; name its folder with \
                    --path, or the file of its function"
            }
            Self::SeveralLanguages { .. } => {
                "name the file of the function to build, such as `keynet-inference build main.go`; \
                    a project in Rust needs a folder of its own"
            }
            Self::NotCargo(_) => "leave out --profile and what follows --",
            Self::Imaging(error) => return error.hint(),
            Self::SdkGone(_) => {
                "run `keynet-inference build --update-sdk`, which puts the SDK into the project"
            }
            Self::NoSdkFolder(_) => {
                "its manifest names the SDK: update it there; a project that \
                    `keynet-inference new` makes has the folder"
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
