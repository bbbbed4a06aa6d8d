//! What OpenWhisk's API answers when it does not do what it is asked, and what keeps its answers
//! away.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::errors::{Diagnostic, Exit};
use crate::units;

/// Why a command that works with OpenWhisk could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenWhiskError {
    /// Nobody says where it is, or as whom.
    #[error("OpenWhisk's {what} is not set")]
    NotConfigured {
        /// `address` or `key`.
        what: &'static str,
        /// Where `.wskprops` was looked for.
        props: Option<PathBuf>,
    },
    /// An address that is none.
    #[error("{host:?} in {origin} is not OpenWhisk's address: {why}")]
    BadHost {
        /// What was given.
        host: String,
        /// By whom.
        origin: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A key that is none. It is not shown.
    #[error("the key in {origin} cannot be used: it is uuid:key, without spaces")]
    BadKey {
        /// By whom it was given.
        origin: &'static str,
    },
    /// A file of certificates.
    #[error("{} holds no certificate or key that can be used", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, unless there is nothing in it.
        source: Option<reqwest::Error>,
    },
    /// The API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// An activation that ended with an error.
    #[error("{}", activation_failed(.status, .message))]
    Activation {
        /// Its id.
        id: String,
        /// `application error`, `action developer error`, `whisk internal error`.
        status: String,
        /// The error's message.
        message: String,
    },
    /// An activation whose end was not seen.
    #[error("the activation {id} has not ended after {}", units::time(*time))]
    Unfinished {
        /// Its id.
        id: String,
        /// How long it was waited for.
        time: Duration,
    },
    /// Something that cannot be deployed like that.
    #[error("{0}")]
    Deploy(String),
    /// Arguments that do not fit together.
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
            Self::NotConfigured { .. }
            | Self::BadHost { .. }
            | Self::BadKey { .. }
            | Self::Pem { .. } => Exit::Configuration,
            Self::Api(error) => error.exit(),
            Self::Activation { .. } | Self::Unfinished { .. } => Exit::Failed,
            Self::Deploy(_) => Exit::Component,
            Self::Usage(_) => Exit::Usage,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Api(error) => error.kind(),
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
            Self::NotConfigured { what, props } => {
                let (flag, name) =
                    if *what == "key" { ("--auth", "AUTH") } else { ("--apihost", "APIHOST") };
                let file = props
                    .as_ref()
                    .map_or_else(|| "~/.wskprops".to_owned(), |path| path.display().to_string());
                Some(format!(
                    "set {name} in {file} (`wsk property set` does), WSK_{name}, or {flag}"
                ))
            }
            Self::Api(error) => error.hint(),
            Self::Activation { id, .. } => Some(format!(
                "`keynet-inference logs {id}` shows what \
                it said"
            )),
            Self::Unfinished { id, .. } => Some(format!(
                "`keynet-inference logs {id}` shows what \
                it said once it has ended"
            )),
            _ => None,
        }
    }
}

/// Why a request came to nothing. Each kind has a name for `--json`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 401.
    #[error("OpenWhisk at {host} does not accept the key")]
    Key {
        /// Its address.
        host: String,
    },
    /// 403.
    #[error("OpenWhisk does not allow it: {0}")]
    Denied(Said),
    /// 404.
    #[error("OpenWhisk has no {0}")]
    NotFound(String),
    /// 409.
    #[error("OpenWhisk reports a conflict: {0}")]
    Conflict(Said),
    /// 413.
    #[error("the request is too large for OpenWhisk: {0}")]
    TooLarge(Said),
    /// 429.
    #[error("the namespace has used up what OpenWhisk allows it: {0}")]
    Throttled(Said),
    /// 400 and other errors of the request.
    #[error("OpenWhisk refuses the request: {0}")]
    Refused(Said),
    /// 5xx.
    #[error("OpenWhisk failed with HTTP status {status}: {said}")]
    Failed {
        /// The status.
        status: u16,
        /// Its words.
        said: Said,
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
    /// Whether it can be another way a moment later.
    pub fn passes(&self) -> bool {
        matches!(
            self,
            Self::Throttled(_) | Self::Failed { .. } | Self::Late { .. } | Self::Unreachable { .. }
        )
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

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Key { .. } => {
                "`wsk property get --auth` shows the key that wsk uses; AUTH in \
                ~/.wskprops is uuid:key"
            }
            Self::Denied(_) => {
                "names in another namespace begin with /NAMESPACE/; the key must be \
                one of that namespace"
            }
            Self::Throttled(_) => "wait for a minute, or ask the operator for a higher limit",
            Self::Unexpected { .. } => "APIHOST is the address of OpenWhisk's API, without /api/v1",
            Self::Certificate { .. } => {
                "--ca names the file of its certificate authority; \
                --insecure does not check"
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

/// The API's own words, and the transaction that its logs know the request by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The message.
    pub message: String,
    /// The transaction.
    pub transaction: Option<String>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())?;
        match &self.transaction {
            Some(transaction) => write!(f, " (transaction {transaction})"),
            None => Ok(()),
        }
    }
}
