//! The failures of a client: before a request, and of one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keynet_base::pem::PemError;

/// A client that cannot be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No address, or no key, in any of their places.
    #[error("OpenWhisk's {what} is not set")]
    NotConfigured {
        /// `address` or `key`.
        what: &'static str,
        /// Path at which `.wskprops` was looked for.
        props: Option<PathBuf>,
    },
    /// A text that is not an address.
    #[error("{host:?} in {origin} is not OpenWhisk's address: {why}")]
    BadHost {
        /// The text.
        host: String,
        /// The setting that holds it.
        origin: &'static str,
        /// The part that is wrong.
        why: String,
    },
    /// A text that is not a key. It is not shown.
    #[error("the key in {origin} cannot be used: it is uuid:key, without spaces")]
    BadKey {
        /// The setting that holds it.
        origin: &'static str,
    },
    /// A file of certificate authorities.
    #[error("the certificate authorities cannot be used")]
    Authorities(#[from] PemError),
    /// The files of the client's own certificate and key.
    #[error("{} holds no certificate or key that can be used", path.display())]
    Identity {
        /// The file of the certificate.
        path: PathBuf,
        /// The part that is wrong.
        source: reqwest::Error,
    },
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A client that TLS refuses to make.
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

/// Why a request came to nothing. Each kind has a name for `--json`.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 401.
    #[error("OpenWhisk at {host} does not accept the key")]
    Key {
        /// Its address.
        host: String,
    },
    /// 403.
    #[error("OpenWhisk does not allow it: {0}")]
    Denied(ServerMessage),
    /// 404.
    #[error("OpenWhisk has no {0}")]
    NotFound(String),
    /// 409.
    #[error("OpenWhisk reports a conflict: {0}")]
    Conflict(ServerMessage),
    /// 413.
    #[error("the request is too large for OpenWhisk: {0}")]
    TooLarge(ServerMessage),
    /// 429.
    #[error("the namespace has used up what OpenWhisk allows it: {0}")]
    Throttled(ServerMessage),
    /// 400 and other errors of the request.
    #[error("OpenWhisk refuses the request: {0}")]
    Refused(ServerMessage),
    /// 5xx.
    #[error("OpenWhisk failed with HTTP status {status}: {said}")]
    Failed {
        /// The status.
        status: u16,
        /// Its words.
        said: ServerMessage,
    },
    /// An answer of something else.
    #[error("{host} does not answer as OpenWhisk does (HTTP status {status}: {why})")]
    Unexpected {
        /// The address.
        host: String,
        /// The status.
        status: u16,
        /// What was wrong.
        why: String,
    },
    /// No trust.
    #[error("the certificate of {host} cannot be trusted: {why}")]
    Certificate {
        /// The address.
        host: String,
        /// What TLS said.
        why: String,
    },
    /// No connection, or one that broke.
    #[error("OpenWhisk at {host} cannot be reached: {why}")]
    Unreachable {
        /// The address.
        host: String,
        /// What the connection said.
        why: String,
    },
    /// No answer in time.
    #[error("OpenWhisk at {host} did not answer within {} s", time.as_secs())]
    Late {
        /// The address.
        host: String,
        /// How long it was waited for.
        time: Duration,
    },
}

impl ApiError {
    /// Returns its name for programs.
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

    /// Whether it can be another way a moment later.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Throttled(_) | Self::Failed { .. } | Self::Late { .. } | Self::Unreachable { .. }
        )
    }
}

/// The API's own words, and the transaction that its logs know the request by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMessage {
    /// The message.
    pub message: String,
    /// The transaction.
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
