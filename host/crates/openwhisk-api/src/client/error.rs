//! Errors of a client: of its settings, and of a request.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keynet_base::pem::PemError;

/// Error of creating a client from its settings.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address or the key is not set anywhere.
    #[error("OpenWhisk's {what} is not set")]
    NotConfigured {
        /// `address` or `key`.
        what: &'static str,
        /// Path at which `.wskprops` was looked for.
        props: Option<PathBuf>,
    },
    /// The address cannot be parsed.
    #[error("{host:?} in {origin} is not OpenWhisk's address: {why}")]
    BadHost {
        /// Address as it was given.
        host: String,
        /// Name of the setting.
        origin: &'static str,
        /// Description of the problem.
        why: String,
    },
    /// The key cannot be parsed. It is not shown.
    #[error("the key in {origin} cannot be used: it is uuid:key, without spaces")]
    BadKey {
        /// Name of the setting.
        origin: &'static str,
    },
    /// The file of certificate authorities cannot be used.
    #[error("the certificate authorities cannot be used")]
    Authorities(#[from] PemError),
    /// The client's certificate or its key cannot be used.
    #[error("{} holds no certificate or key that can be used", path.display())]
    Identity {
        /// Path of the certificate.
        path: PathBuf,
        /// Error of the HTTP client.
        source: reqwest::Error,
    },
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The HTTP client cannot be created.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ClientError {
    /// Returns the error of reading `path`, for `map_err`.
    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}

/// Error of a request. Each kind has a name for `--json`.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The key is not accepted (401).
    #[error("OpenWhisk at {host} does not accept the key")]
    Key {
        /// Address of OpenWhisk.
        host: String,
    },
    /// The key has no permission (403).
    #[error("OpenWhisk does not allow it: {0}")]
    Denied(ServerMessage),
    /// The entity does not exist (404).
    #[error("OpenWhisk has no {0}")]
    NotFound(String),
    /// The request conflicts with the stored entity (409).
    #[error("OpenWhisk reports a conflict: {0}")]
    Conflict(ServerMessage),
    /// The request is too large (413).
    #[error("the request is too large for OpenWhisk: {0}")]
    TooLarge(ServerMessage),
    /// The namespace exceeded its rate limit (429).
    #[error("the namespace has used up what OpenWhisk allows it: {0}")]
    Throttled(ServerMessage),
    /// The request is invalid (400 and other 4xx).
    #[error("OpenWhisk refuses the request: {0}")]
    Refused(ServerMessage),
    /// OpenWhisk failed (5xx).
    #[error("OpenWhisk failed with HTTP status {status}: {said}")]
    Failed {
        /// HTTP status.
        status: u16,
        /// Message of the server.
        said: ServerMessage,
    },
    /// The response is not one of OpenWhisk.
    #[error("{host} does not answer as OpenWhisk does (HTTP status {status}: {why})")]
    Unexpected {
        /// Address that was contacted.
        host: String,
        /// HTTP status.
        status: u16,
        /// Description of the problem.
        why: String,
    },
    /// The server's certificate is not trusted.
    #[error("the certificate of {host} cannot be trusted: {why}")]
    Certificate {
        /// Address of OpenWhisk.
        host: String,
        /// Error of TLS.
        why: String,
    },
    /// The connection cannot be made, or broke.
    #[error("OpenWhisk at {host} cannot be reached: {why}")]
    Unreachable {
        /// Address of OpenWhisk.
        host: String,
        /// Error of the connection.
        why: String,
    },
    /// The server did not respond in time.
    #[error("OpenWhisk at {host} did not answer within {} s", time.as_secs())]
    Late {
        /// Address of OpenWhisk.
        host: String,
        /// Time limit of the request.
        time: Duration,
    },
}

impl ApiError {
    /// Returns the name of the kind, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key { .. } => "unauthorized",
            Self::Denied(_) => "denied",
            Self::NotFound(_) => "not-found",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "too-large",
            Self::Throttled(_) => "throttled",
            Self::Refused(_) => "refused",
            Self::Failed { .. } => "failed",
            Self::Unexpected { .. } => "unexpected",
            Self::Certificate { .. } => "certificate",
            Self::Unreachable { .. } => "unavailable",
            Self::Late { .. } => "timeout",
        }
    }

    /// Reports whether the error is transient.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Throttled(_) | Self::Failed { .. } | Self::Late { .. } | Self::Unreachable { .. }
        )
    }
}

/// Error message of the API, with the transaction that identifies the request in OpenWhisk's logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// Text of the message.
    pub message: String,
    /// Id of the transaction.
    pub transaction: Option<String>,
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())?;
        match &self.transaction {
            Some(transaction) => write!(f, " (transaction {transaction})"),
            None => Ok(()),
        }
    }
}
