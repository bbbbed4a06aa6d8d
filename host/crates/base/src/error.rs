//! What a capability answers with when it fails: `keynet:inference/types.error` without wasmtime.
//!
//! Every backend speaks this type, so that an action sees the same kinds whichever backend serves
//! it.

use std::fmt;

/// Why a call failed, for a program to match on. Mirrors `types.error-kind` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A name, location, shape, type or length is wrong; the same call will fail again.
    Invalid,
    /// No such model, version, object or bucket.
    NotFound,
    /// The policy, or the server behind it, does not allow it.
    Denied,
    /// The object's etag is not the one asked for, or is the one already held.
    PreconditionFailed,
    /// More bytes, requests or handles than this deployment allows.
    TooLarge,
    /// No answer in the time given, or in the time the activation has left.
    Timeout,
    /// The server is down, busy or not configured.
    Unavailable,
    /// Anything else.
    Internal,
}

impl ErrorKind {
    /// The name the contract gives it.
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

/// One failed call. The message is one sentence for a person: it names the model, object or
/// argument and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What to match on.
    pub kind: ErrorKind,
    /// What happened, to which thing, and what to do next.
    pub message: String,
}

/// The result of a call to a backend.
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
    /// An error of kind [`ErrorKind::Invalid`].
    invalid => Invalid;
    /// An error of kind [`ErrorKind::NotFound`].
    not_found => NotFound;
    /// An error of kind [`ErrorKind::Denied`].
    denied => Denied;
    /// An error of kind [`ErrorKind::PreconditionFailed`].
    precondition_failed => PreconditionFailed;
    /// An error of kind [`ErrorKind::TooLarge`].
    too_large => TooLarge;
    /// An error of kind [`ErrorKind::Timeout`].
    timeout => Timeout;
    /// An error of kind [`ErrorKind::Unavailable`].
    unavailable => Unavailable;
    /// An error of kind [`ErrorKind::Internal`].
    internal => Internal;
}
