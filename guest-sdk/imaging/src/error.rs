//! Errors of this library.

use std::fmt::{self, Display};

/// Result of a call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kind of an error, for a program to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is wrong, or a file is damaged or cut short.
    Invalid,
    /// The file is neither PNG nor JPEG, or of an unsupported kind of either; or the font lacks a
    /// character.
    Unsupported,
    /// The picture has more pixels than [`MAX_SIDE`](crate::MAX_SIDE) or
    /// [`MAX_BYTES`](crate::MAX_BYTES) allow.
    TooLarge,
}

/// Error of a failed call. It displays as its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// Returns the kind of the error, for a program to match on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the message, for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn invalid(message: impl Display) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.to_string() }
    }

    pub(crate) fn unsupported(message: impl Display) -> Self {
        Self { kind: ErrorKind::Unsupported, message: message.to_string() }
    }

    pub(crate) fn too_large(message: impl Display) -> Self {
        Self { kind: ErrorKind::TooLarge, message: message.to_string() }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
