//! The error type of actions, with a kind for programs (`kind`) and a message for people
//! (`message`).

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;

/// Result of every fallible function of an action.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kind of a failure, for a program to match on. The SDKs of all languages have the same kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name, location, shape, type or length is wrong; the same call will fail again. As the
    /// result of an action: the caller's input is wrong.
    Invalid,
    /// The model, version, object or bucket does not exist.
    NotFound,
    /// The deployment's policy, or the server behind it, denies access.
    Denied,
    /// The etag of the object is not the required one, or is the one that the caller already has.
    PreconditionFailed,
    /// More bytes, requests or handles than the deployment allows.
    TooLarge,
    /// No response within the timeout of the call, or within the remaining time of the activation.
    Timeout,
    /// A server is down, busy or not configured; the message names it. The same call may succeed
    /// later.
    Unavailable,
    /// Any other error: a fault of the host, of a server or of the action itself.
    Internal,
}

impl Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not found",
            Self::Denied => "denied",
            Self::PreconditionFailed => "precondition failed",
            Self::TooLarge => "too large",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        })
    }
}

/// Error of a failed call, or of the action itself.
///
/// `?` converts every error that implements [`std::error::Error`] into one of kind
/// [`Internal`](ErrorKind::Internal), its sources joined with `: `. An SDK error keeps its kind,
/// even if it was wrapped in a [`std::io::Error`] (for example when an image decoder reads an
/// [`Object`](crate::Object)).
///
/// ```
/// use keynet_inference_sdk::{Context, Error, ErrorKind, Result};
///
/// fn dimension(text: &str) -> Result<u32> {
///     let size: u32 = text.parse().with_context(|| format!("cannot read the size `{text}`"))?;
///     if size == 0 {
///         return Err(Error::invalid("the size must not be 0"));
///     }
///     Ok(size)
/// }
///
/// assert_eq!(dimension("0").unwrap_err().kind(), ErrorKind::Invalid);
/// assert_eq!(
///     dimension("x").unwrap_err().message(),
///     "cannot read the size `x`: invalid digit found in string"
/// );
/// ```
///
/// Like `anyhow::Error` it does not implement `std::error::Error` itself, which is what allows `?`
/// to convert any error; it converts into `Box<dyn std::error::Error>` and into [`std::io::Error`].
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Repr>);

#[derive(Clone, PartialEq, Eq)]
struct Repr {
    kind: ErrorKind,
    message: String,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident,)*) => {$(
        $(#[$doc])*
        pub fn $name(message: impl Display) -> Self {
            Self::new(ErrorKind::$kind, message)
        }
    )*};
}

impl Error {
    /// Creates an error of this kind. The message should be one sentence for a person, and name the
    /// object concerned.
    pub fn new(kind: ErrorKind, message: impl Display) -> Self {
        Self(Box::new(Repr { kind, message: message.to_string() }))
    }

    constructors! {
        /// Creates an error for wrong input of the caller, or a wrong argument of a call.
        invalid => Invalid,
        /// Creates an error for a named object that does not exist.
        not_found => NotFound,
        /// Creates an error for denied access.
        denied => Denied,
        /// Creates an error for a condition on an etag that does not hold.
        precondition_failed => PreconditionFailed,
        /// Creates an error for an exceeded limit.
        too_large => TooLarge,
        /// Creates an error for a timeout.
        timeout => Timeout,
        /// Creates an error for a service that is temporarily unavailable.
        unavailable => Unavailable,
        /// Creates an error for a fault of the action itself, or any other fault.
        internal => Internal,
    }

    /// Returns the kind, for a program to match on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message, for a person.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Changes the kind and keeps the message: for example to report a library's error about the
    /// caller's input as [`Invalid`](ErrorKind::Invalid).
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Prepends `context: ` to the message and keeps the kind.
    #[must_use]
    pub fn context(mut self, context: impl Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Converts any error that a user's function may return: this type, every type that implements
    /// `std::error::Error`, `anyhow::Error`, a string.
    pub(crate) fn from_boxed(error: Box<dyn StdError>) -> Self {
        from_chain(&*error)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.kind)
    }
}

impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        from_chain(&error)
    }
}

/// Wrapper that carries an [`Error`] through a library that supports only `std::error::Error`.
#[derive(Debug)]
struct Carried(Error);

impl Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl StdError for Carried {}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Carried(error))
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        Box::new(Carried(error))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Invalid => io::ErrorKind::InvalidInput,
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Denied => io::ErrorKind::PermissionDenied,
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, Carried(error))
    }
}

/// Returns an error with the kind of the first SDK error among `error` and its sources, or else
/// internal, and with all their messages, each once.
fn from_chain(error: &(dyn StdError + 'static)) -> Error {
    let mut kind = None;
    let mut message = error.to_string();
    let mut next = Some(error);
    while let Some(error) = next {
        if kind.is_none() {
            kind = carried(error).map(Error::kind);
        }
        // Many errors already include their source in their own text.
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        next = error.source();
    }
    Error::new(kind.unwrap_or(ErrorKind::Internal), message)
}

fn carried<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
    let inside = match error.downcast_ref::<io::Error>() {
        // `source` of an `io::Error` skips the error that it wraps.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static))?,
        None => error,
    };
    inside.downcast_ref::<Carried>().map(|carried| &carried.0)
}

/// Adds the failed operation to an error: `.context("cannot decode the image")?`.
///
/// On an [`Option`], `None` becomes an error of kind [`Internal`](ErrorKind::Internal) with that
/// text.
pub trait Context<T> {
    /// Prepends `context: ` to the message; an SDK error keeps its kind.
    fn context(self, context: impl Display) -> Result<T>;

    /// Same as [`context`](Context::context), but the text is created only on failure.
    fn with_context<C: Display>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, context: impl Display) -> Result<T> {
        self.with_context(|| context)
    }

    fn with_context<C: Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|error| error.into().context(context()))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, context: impl Display) -> Result<T> {
        self.with_context(|| context)
    }

    fn with_context<C: Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.ok_or_else(|| Error::internal(context()))
    }
}

/// Returns an error: `bail!("text {x}")` one of kind [`Internal`](ErrorKind::Internal),
/// `bail!(invalid, "text {x}")` one of kind [`Invalid`](ErrorKind::Invalid); the name of any
/// constructor of [`Error`] is accepted.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::$kind(::std::format!($($message)+)).into())
    };
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::internal(::std::format!($($message)+)).into())
    };
}

/// Returns an error in the same way as [`bail!`] if the condition does not hold:
/// `ensure!(size > 0, invalid, "the size is {size}")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::bail!($($message)+);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_error_keeps_its_kind_through_io() {
        let io: io::Error = Error::denied("no access to `secret`").into();
        assert_eq!(io.kind(), io::ErrorKind::PermissionDenied);
        let back = Error::from(io);
        assert_eq!(back, Error::denied("no access to `secret`"));
    }

    #[test]
    fn sources_are_told_once() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bad header")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        let error = Error::from(Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(error.message(), "bad header: invalid digit found in string");
        assert_eq!(error.kind(), ErrorKind::Internal);
    }

    #[test]
    fn strings_and_boxes_become_errors() {
        assert_eq!(Error::from_boxed("no luck".into()).message(), "no luck");
        let boxed: Box<dyn StdError> = Error::timeout("too slow").into();
        assert_eq!(Error::from_boxed(boxed).kind(), ErrorKind::Timeout);
    }

    #[test]
    fn bail_and_ensure() {
        fn check(size: u32) -> Result<u32> {
            ensure!(size < 10, "size {size}");
            ensure!(size > 0, invalid, "size {}", size);
            if size == 5 {
                bail!(too_large, "five");
            }
            Ok(size)
        }
        assert_eq!(check(1), Ok(1));
        assert_eq!(check(0), Err(Error::invalid("size 0")));
        assert_eq!(check(12), Err(Error::internal("size 12")));
        assert_eq!(check(5).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
