//! What a call fails with.

use std::fmt::{self, Display};

/// The result of a call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed, for a program to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is wrong, or a file is damaged or cut short.
    Invalid,
    /// The file is neither PNG nor JPEG, or of a kind of either that is not read; or the font lacks
    /// a character.
    Unsupported,
    /// More pixels than [`MAX_SIDE`](crate::MAX_SIDE) or [`MAX_BYTES`](crate::MAX_BYTES) allow.
    TooLarge,
}

/// A failed call. It displays as its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// Why, for a program to match on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Why, for a person.
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
