//! Errors of the Keynet platform, and errors that prevent publishing before a request is sent. Each
//! class has its own hint.

use std::path::PathBuf;

use crate::errors::{Diagnostic, Exit};

/// Error of a request to the Keynet platform. `said` is the server's own message, without secrets,
/// on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// Status 401 or 403.
    #[error("the platform at {server} rejected your credentials (HTTP {status}): {said}")]
    Authentication {
        /// URL of the server.
        server: String,
        /// HTTP status.
        status: u16,
        /// Message of the server.
        said: String,
    },
    /// Status 400 or 422.
    #[error("the platform at {server} refuses what it was sent ({status}): {said}")]
    Validation {
        /// URL of the server.
        server: String,
        /// HTTP status.
        status: u16,
        /// Message of the server.
        said: String,
    },
    /// Status 5xx.
    #[error("the platform at {server} failed ({status}): {said}")]
    Server {
        /// URL of the server.
        server: String,
        /// HTTP status.
        status: u16,
        /// Message of the server.
        said: String,
    },
    /// The server cannot be reached, or timed out.
    #[error("the platform at {server} cannot be reached: {why}")]
    Connection {
        /// URL of the server.
        server: String,
        /// Cause.
        why: String,
    },
    /// Any other status.
    #[error("the platform at {server} answered with status {status}: {said}")]
    Other {
        /// URL of the server.
        server: String,
        /// HTTP status.
        status: u16,
        /// Message of the server.
        said: String,
    },
    /// The request succeeded, and its response is not what the API defines.
    #[error("the answer of the platform at {server} cannot be understood: {why}")]
    Answer {
        /// URL of the server.
        server: String,
        /// Reason.
        why: String,
    },
    /// A password would be sent to this server unencrypted.
    #[error("what is sent to {0} can be read on the way")]
    ReadableOnTheWay(String),
}

impl Diagnostic for PlatformError {
    fn exit(&self) -> Exit {
        match self {
            Self::Authentication { .. } => Exit::Login,
            Self::Validation { .. } | Self::Other { .. } => Exit::Refused,
            Self::Server { .. } | Self::Answer { .. } => Exit::Server,
            Self::Connection { .. } => Exit::Connection,
            Self::ReadableOnTheWay(_) => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Connection { .. } => Some("check the server's URL and the network".to_owned()),
            Self::ReadableOnTheWay(_) => Some(
                "write https:// if the server speaks it, or accept it with --insecure".to_owned(),
            ),
            _ => None,
        }
    }
}

/// Reason why a function is not published, independent of the Keynet platform's response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The user is not signed in. The message is that of the Python package that this program
    /// replaces.
    #[error("Not logged in. Run: keynet-inference login <server-url>")]
    NotLoggedIn,
    /// The login has expired.
    #[error("the login at {server} has expired ({at}). Run: keynet-inference login {server}")]
    LoginExpired {
        /// Expiry time.
        at: String,
        /// URL of the server.
        server: String,
    },
    /// The Keynet platform names a registry that its login is not for.
    #[error(
        "the platform wants the upload at {host}, and its login {}",
        harbor.as_ref().map_or_else(|| "is for no registry".to_owned(), |harbor| format!("is for \
            {harbor}: nothing is shown to another"))
    )]
    NoHarbor {
        /// Registry that the Keynet platform names.
        host: String,
        /// Registry that the login is for.
        harbor: Option<String>,
    },
    /// The function lacks a name or a description, so users could not find out its purpose.
    #[error("the function {name:?} has no {what}, which users see when they look for it")]
    Undescribed {
        /// `name` or `description`.
        what: &'static str,
        /// Name of the function.
        name: String,
    },
    /// The file was replaced while it was being published.
    #[error("{} was changed while it was being published", .0.display())]
    Changed(PathBuf),
}

impl Diagnostic for PublishError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotLoggedIn | Self::LoginExpired { .. } | Self::NoHarbor { .. } => Exit::Login,
            Self::Undescribed { .. } => Exit::Component,
            Self::Changed(_) => Exit::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Undescribed { name, .. } => Some(how_to_describe(name)),
            _ => None,
        }
    }
}

fn how_to_describe(name: &str) -> String {
    let name = if name.is_empty() { "my-function" } else { name };
    format!(
        "say it where the function is written, and build it again:\n    \
         Rust       #[keynet_function(name = \"{name}\", description = \"What it does, for a \
         person.\")]\n    \
         Python     @keynet_function(\"{name}\", description=\"What it does, for a person.\"), or \
         a docstring in the function\n    \
         otherwise  `name` and `description` in what the exported `describe` answers"
    )
}

impl PlatformError {
    /// Returns the error for an HTTP status that is not a success.
    pub(super) fn of_status(server: &str, status: u16, said: String) -> Self {
        let server = server.to_owned();
        match status {
            401 | 403 => Self::Authentication { server, status, said },
            400 | 422 => Self::Validation { server, status, said },
            500..=599 => Self::Server { server, status, said },
            _ => Self::Other { server, status, said },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_errors_has_its_own_code() {
        let codes = [401, 400, 500]
            .map(|status| PlatformError::of_status("https://x", status, "said".to_owned()).exit());
        assert_eq!(codes, [Exit::Login, Exit::Refused, Exit::Server]);
        assert_eq!(
            PlatformError::Connection { server: "https://x".to_owned(), why: "said".to_owned() }
                .exit(),
            Exit::Connection
        );
    }

    #[test]
    fn statuses_are_told_apart() {
        let of = |status| PlatformError::of_status("https://x", status, "said".to_owned());
        for status in [401, 403] {
            assert!(matches!(of(status), PlatformError::Authentication { .. }));
        }
        for status in [400, 422] {
            assert!(matches!(of(status), PlatformError::Validation { .. }));
        }
        for status in [500, 502, 503, 599] {
            assert!(matches!(of(status), PlatformError::Server { .. }));
        }
        for status in [302, 404, 409, 413, 429, 600] {
            assert!(matches!(of(status), PlatformError::Other { .. }));
        }
        assert_eq!(
            of(422).to_string(),
            "the platform at https://x refuses what it was sent (422): said"
        );
    }
}
