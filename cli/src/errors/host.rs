//! What the errors of the host, which knows of no process and no command, mean here.

use keynet_host::artifact::ArtifactError;
use keynet_host::config::ConfigError;
use keynet_host::engine::LoadError;
use keynet_host::{ActionError, Failure, HostError};

use super::{Diagnostic, Exit};
use crate::failure;

impl Diagnostic for Failure {
    fn exit(&self) -> Exit {
        match self {
            // The machine is at fault, whoever noticed it.
            Self::Start(_) => Exit::Configuration,
            _ => Exit::Failed,
        }
    }

    fn kind(&self) -> &'static str {
        failure::kind(self)
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Time { .. })
            .then(|| "--timeout gives it more, such as --timeout 5m".to_owned())
    }
}

impl Diagnostic for ActionError {
    fn exit(&self) -> Exit {
        match self {
            Self::Describe(Failure::Start(_)) | Self::Load(LoadError::AddressSpace(_)) => {
                Exit::Configuration
            }
            _ => Exit::Component,
        }
    }
}

impl Diagnostic for ConfigError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

impl Diagnostic for HostError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

/// Outside of an action, it is the object store's.
impl Diagnostic for keynet_host::Error {
    fn exit(&self) -> Exit {
        Exit::Io
    }
}

impl Diagnostic for ArtifactError {
    fn exit(&self) -> Exit {
        match self {
            Self::Reference { .. } => Exit::Usage,
            Self::NotAComponent { .. } => Exit::Component,
            Self::Host { .. } => Exit::Configuration,
            Self::Key { .. } | Self::Io { .. } => Exit::Io,
            Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::Realm { .. }
            | Self::Credentials { .. } => Exit::Login,
            Self::TooManyRequests { .. } | Self::Refused { .. } => Exit::Refused,
            Self::Server { .. } | Self::Protocol { .. } => Exit::Server,
            Self::Tls { .. } | Self::Unreachable { .. } => Exit::Connection,
            // What is not there, damaged, something else, too large, or signed by somebody else.
            _ => Exit::Artifact,
        }
    }
}
