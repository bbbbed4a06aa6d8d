//! Presentation of the errors of the host's crates, which know nothing of processes or commands.

use std::path::PathBuf;

use keynet_artifact::ArtifactError;
use keynet_base::config::ConfigError;
use keynet_host::ActionError;
use keynet_host::Failure;
use keynet_host::HostError;
use keynet_host::TimeLimit;
use keynet_host::engine::LoadError;
use keynet_node::config::NodeConfigError;
use keynet_node::{BackupError, ServeError};

use super::{Diagnostic, Exit, failure};

impl Diagnostic for Failure {
    fn exit(&self) -> Exit {
        match self {
            // The machine is at fault, even if the action's start reported it.
            Self::Start(_) => Exit::Configuration,
            _ => Exit::Failed,
        }
    }

    fn kind(&self) -> &'static str {
        failure::kind(self)
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Time { origin: TimeLimit::Host, .. } => {
                "--timeout gives it more, such as --timeout 5m"
            }
            Self::Limit { message, .. } if message.contains("KEYNET_MEMORY") => {
                "--memory gives it more, such as --memory 512MiB"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    fn sentence(&self) -> String {
        failure::sentence(self)
    }

    fn trace(&self) -> &[String] {
        self.trace()
    }

    fn details(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Limit { said: Some(said), .. } => vec![("it said last", said)],
            _ => Vec::new(),
        }
    }
}

/// A component that is not an action.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be loaded", path.display())]
pub struct NotAnAction {
    /// Its file, or its reference.
    pub path: PathBuf,
    /// Reason.
    pub source: ActionError,
}

impl Diagnostic for NotAnAction {
    fn exit(&self) -> Exit {
        match &self.source {
            ActionError::Describe(Failure::Start(_))
            | ActionError::Load(LoadError::AddressSpace(_)) => Exit::Configuration,
            _ => Exit::Component,
        }
    }
}

impl Diagnostic for ConfigError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }

    fn context(&self) -> Option<&'static str> {
        Some("the configuration cannot be used")
    }
}

impl Diagnostic for HostError {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }

    fn context(&self) -> Option<&'static str> {
        Some("the host cannot start")
    }
}

impl Diagnostic for ServeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Config(NodeConfigError::Read { .. })
            | Self::Catalog(_)
            | Self::Records(_)
            | Self::Key(_)
            | Self::Data { .. }
            | Self::Metrics(_)
            | Self::Listen { .. } => Exit::Io,
            _ => Exit::Configuration,
        }
    }

    fn context(&self) -> Option<&'static str> {
        Some("the node cannot serve")
    }
}

impl Diagnostic for BackupError {
    fn exit(&self) -> Exit {
        Exit::Io
    }
}

/// Outside of an action, this is an error of the object store.
impl Diagnostic for keynet_base::Error {
    fn exit(&self) -> Exit {
        Exit::Io
    }

    fn context(&self) -> Option<&'static str> {
        Some("the object store cannot be used")
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
            // The artifact is missing, damaged, of another type, too large, or signed with another
            // key.
            _ => Exit::Artifact,
        }
    }
}
