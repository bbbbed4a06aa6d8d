//! Why a project cannot be made or built.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use keynet_host::ActionError;
use keynet_host::policy::AskError;

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
    #[error("{} is not a project: it has no Cargo.toml", .0.display())]
    NoProject(PathBuf),
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
    Ask {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        source: AskError,
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
            Self::NoProject(_) => "make one with `keynet-inference new NAME`, or name its folder with --path",
            Self::SdkGone { instead, .. } => {
                return Some(format!("this version's SDK is at {}: write that path into the project's Cargo.toml", instead.display()));
            }
            Self::NoToolchain => {
                "run `rustup target add wasm32-wasip2`; where that target cannot be downloaded, `guest-sdk/setup-wasm-toolchain` in a clone of \
                 keynet-inference builds a toolchain called keynet-wasm"
            }
            Self::NoCargo(_) => "install Rust from https://rustup.rs",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
