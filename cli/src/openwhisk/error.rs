//! Errors of OpenWhisk's API, and errors that prevent its responses.

use std::time::Duration;

use keynet_openwhisk_api::client::{ApiError, ClientError};

use crate::errors::{Diagnostic, Exit};
use crate::ui::units;

/// Error of a command that works with OpenWhisk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenWhiskError {
    /// The settings of the client cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The API reported an error.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// An activation ended with an error.
    #[error("{}", activation_failed(.status, .message))]
    Activation {
        /// Activation id.
        id: String,
        /// OpenWhisk's status: `application error`, `action developer error` or `whisk internal
        /// error`.
        status: String,
        /// Message of the error.
        message: String,
    },
    /// An activation did not end while the command waited.
    #[error("the activation {id} has not ended after {}", units::time(*time))]
    Unfinished {
        /// Activation id.
        id: String,
        /// Time that the command waited.
        time: Duration,
    },
    /// The component or image cannot be deployed in the requested way.
    #[error("{0}")]
    Deploy(String),
    /// The arguments contradict each other.
    #[error("{0}")]
    Usage(String),
}

fn activation_failed(status: &str, message: &str) -> String {
    match status {
        "application error" => format!("the action answered with an error: {message}"),
        "action developer error" => format!("the action failed: {message}"),
        _ => format!("OpenWhisk could not run the action ({status}): {message}"),
    }
}

impl Diagnostic for OpenWhiskError {
    fn exit(&self) -> Exit {
        match self {
            Self::Client(ClientError::Api(error)) => error.exit(),
            Self::Client(ClientError::Read { .. }) => Exit::Io,
            Self::Client(_) => Exit::Configuration,
            Self::Api(error) => error.exit(),
            Self::Activation { .. } | Self::Unfinished { .. } => Exit::Failed,
            Self::Deploy(_) => Exit::Component,
            Self::Usage(_) => Exit::Usage,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Api(error) | Self::Client(ClientError::Api(error)) => error.kind(),
            Self::Activation { status, .. } => match status.as_str() {
                "application error" => "application-error",
                "action developer error" => "developer-error",
                _ => "whisk-error",
            },
            Self::Unfinished { .. } => "unfinished",
            other => other.exit().kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Client(ClientError::NotConfigured { what, props }) => {
                let (flag, name) =
                    if *what == "key" { ("--auth", "AUTH") } else { ("--apihost", "APIHOST") };
                let file = props
                    .as_ref()
                    .map_or_else(|| "~/.wskprops".to_owned(), |path| path.display().to_string());
                Some(format!(
                    "set {name} in {file} (`wsk property set` does), WSK_{name}, or {flag}"
                ))
            }
            Self::Api(error) | Self::Client(ClientError::Api(error)) => error.hint(),
            Self::Activation { id, .. } => {
                Some(format!("`keynet-inference logs {id}` shows what it said"))
            }
            Self::Unfinished { id, .. } => {
                Some(format!("`keynet-inference logs {id}` shows what it said once it has ended"))
            }
            _ => None,
        }
    }
}

impl Diagnostic for ApiError {
    fn exit(&self) -> Exit {
        match self {
            Self::Key { .. } | Self::Denied(_) => Exit::Login,
            Self::NotFound(_)
            | Self::Conflict(_)
            | Self::TooLarge(_)
            | Self::Throttled(_)
            | Self::Refused(_) => Exit::Refused,
            Self::Failed { .. } | Self::Unexpected { .. } => Exit::Server,
            Self::Certificate { .. } | Self::Unreachable { .. } | Self::Late { .. } => {
                Exit::Connection
            }
        }
    }

    fn kind(&self) -> &'static str {
        ApiError::kind(self)
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Key { .. } => {
                "`wsk property get --auth` shows the key that wsk uses; AUTH in ~/.wskprops is \
                    uuid:key"
            }
            Self::Denied(_) => {
                "names in another namespace begin with /NAMESPACE/; the key must be one of that \
                    namespace"
            }
            Self::Throttled(_) => "wait for a minute, or ask the operator for a higher limit",
            Self::Unexpected { .. } => "APIHOST is the address of OpenWhisk's API, without /api/v1",
            Self::Certificate { .. } => {
                "--ca names the file of its certificate authority; --insecure does not check"
            }
            Self::TooLarge(_) => {
                "code may have 48 MB as base64, which is 36 MB of component: `push` it, and deploy \
                    the reference; parameters may have 1 MB"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
