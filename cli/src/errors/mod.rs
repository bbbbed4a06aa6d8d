//! Every way a command can fail that is not a bug: one error type, whose kinds have an exit code
//! with a meaning.
//!
//! The errors of a room are a type of its own, beside its code, and say by [`Diagnostic`] what they
//! mean for the process; [`ExpectedError`] only gathers the types. So a new way to fail is one more
//! variant of its room's, and nothing here.
//!
//! Messages are fragments in lower case that read well after `error: `: what happened, and to which
//! thing. What to do next is either in the cause, in the words of the host, or a hint.

mod diagnostic;
mod exit;
mod host;
mod io;
mod report;
mod usage;

use std::path::{Path, PathBuf};

use keynet_host::artifact::ArtifactError;
use keynet_host::config::ConfigError;
use keynet_host::{ActionError, Failure, HostError};

pub use diagnostic::Diagnostic;
pub use exit::{EXIT_CODES, Exit};
pub use io::IoError;
pub use usage::UsageError;

use crate::account::AccountError;
use crate::failure;
use crate::image::ImageError;
use crate::model::ModelError;
use crate::openwhisk::error::OpenWhiskError;
use crate::platform::{PlatformError, PublishError, StepFailed};
use crate::project::ProjectError;
use crate::registry::RegistryError;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectedError {
    /// The action ran and has no result.
    #[error("{}", failure::sentence(.0))]
    Failed(Failure),
    /// The command line.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A file, folder or address.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A component that is not an action.
    #[error("{} cannot be loaded", path.display())]
    Action {
        /// Its file, or its reference.
        path: PathBuf,
        /// What is wrong with it.
        source: ActionError,
    },
    /// A setting.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// The policy, the state folder, the machine.
    #[error("the host cannot start")]
    Host(#[from] HostError),
    /// The embedded store.
    #[error("the object store cannot be used")]
    Storage(#[source] keynet_host::Error),
    /// The models of a server.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A published component, its registry or its signature.
    #[error(transparent)]
    Published(#[from] ArtifactError),
    /// A registry that cannot be asked, or lets nobody in.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The files of logins.
    #[error("the login cannot be used")]
    Account(#[from] AccountError),
    /// A project.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A container image.
    #[error("the image cannot be made")]
    Image(#[source] ImageError),
    /// OpenWhisk.
    #[error(transparent)]
    OpenWhisk(#[from] OpenWhiskError),
    /// The platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// What keeps a function from being published on the platform.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A step of publishing on the platform.
    #[error(transparent)]
    Step(StepFailed),
}

impl From<crate::project::python::PythonError> for ExpectedError {
    fn from(error: crate::project::python::PythonError) -> Self {
        Self::Project(ProjectError::Python(Box::new(error)))
    }
}

impl From<crate::project::c::CError> for ExpectedError {
    fn from(error: crate::project::c::CError) -> Self {
        Self::Project(ProjectError::C(Box::new(error)))
    }
}

impl ExpectedError {
    /// For `map_err`: what was tried with which path.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        Self::io_on(what, path.display().to_string())
    }

    /// For `map_err`: what was tried with what is no path.
    pub fn io_on(
        what: &'static str,
        thing: impl Into<String>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let thing = thing.into();
        move |source| IoError { what, thing, source }.into()
    }

    /// Its exit code.
    pub fn exit(&self) -> Exit {
        self.diagnostic().exit()
    }

    /// Its name in `--json`. For a failed action that of the failure.
    pub fn kind(&self) -> &'static str {
        self.diagnostic().kind()
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        self.diagnostic().hint()
    }

    fn diagnostic(&self) -> &dyn Diagnostic {
        match self {
            Self::Failed(error) => error,
            Self::Usage(error) => error,
            Self::Io(error) => error,
            Self::Action { source, .. } => source,
            Self::Config(error) => error,
            Self::Host(error) => error,
            Self::Storage(error) => error,
            Self::Model(error) => error,
            Self::Published(error) => error,
            Self::Registry(error) => error,
            Self::Account(error) => error,
            Self::Project(error) => error,
            Self::Image(error) => error,
            Self::OpenWhisk(error) => error,
            Self::Platform(error) => error,
            Self::Publish(error) => error,
            Self::Step(error) => error,
        }
    }
}
