//! Error of a capability: `keynet:inference/types.error` without wasmtime.
//!
//! Every backend uses this type, so that an action sees the same error kinds with every backend.

use std::fmt;

/// Kind of a failure, for a program to match on. Mirrors `types.error-kind` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A name, location, shape, type or length is wrong; the same call will fail again.
    Invalid,
    /// The model, version, object or bucket does not exist.
    NotFound,
    /// The policy, or the server behind it, does not allow the call.
    Denied,
    /// The object's etag is not the requested one, or is the one that the caller already has.
    PreconditionFailed,
    /// There are more bytes, requests or handles than this deployment allows.
    TooLarge,
    /// There is no answer within the given time, or within the time left to the activation.
    Timeout,
    /// The server is down, busy or not configured.
    Unavailable,
    /// Any other failure.
    Internal,
}

impl ErrorKind {
    /// Returns the name of the kind in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::PreconditionFailed => "precondition-failed",
            Self::TooLarge => "too-large",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Failed call. The message is one sentence for a person: it names the model, object or argument
/// and contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Kind, for a program to match on.
    pub kind: ErrorKind,
    /// Description of what happened, to which thing, and what to do next.
    pub message: String,
}

/// Result of a call to a backend.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self { kind: ErrorKind::$kind, message: message.into() }
            })*
        }
    };
}

constructors! {
    /// Returns an error of kind [`ErrorKind::Invalid`].
    invalid => Invalid;
    /// Returns an error of kind [`ErrorKind::NotFound`].
    not_found => NotFound;
    /// Returns an error of kind [`ErrorKind::Denied`].
    denied => Denied;
    /// Returns an error of kind [`ErrorKind::PreconditionFailed`].
    precondition_failed => PreconditionFailed;
    /// Returns an error of kind [`ErrorKind::TooLarge`].
    too_large => TooLarge;
    /// Returns an error of kind [`ErrorKind::Timeout`].
    timeout => Timeout;
    /// Returns an error of kind [`ErrorKind::Unavailable`].
    unavailable => Unavailable;
    /// Returns an error of kind [`ErrorKind::Internal`].
    internal => Internal;
}
