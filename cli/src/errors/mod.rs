//! The failures of a command that are not bugs: one type, each with an exit code.
//!
//! Each module has an error type of its own, beside its code, that implements [`Diagnostic`];
//! [`ExpectedError`] holds any of them and knows none, so that a new failure changes its own module
//! alone. [`foreign`] implements it for the errors of the host's crates, which know nothing of
//! processes or commands.
//!
//! Messages are fragments in lower case that read well after `error: `: what happened, and to which
//! thing. The next thing to do is in the cause, in the words of the host, or a hint.

mod diagnostic;
mod exit;
pub mod failure;
mod foreign;
mod io;
mod usage;

use std::error::Error;
use std::fmt;
use std::path::Path;

pub use diagnostic::Diagnostic;
pub use exit::{EXIT_CODES, Exit};
pub use foreign::NotAnAction;
pub use io::IoError;
pub use usage::UsageError;

/// A failure of a command.
#[derive(Debug)]
pub struct ExpectedError(Box<dyn Diagnostic>);

impl<E: Diagnostic> From<E> for ExpectedError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for ExpectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.context() {
            Some(context) => f.write_str(context),
            None => f.write_str(&self.0.sentence()),
        }
    }
}

impl Error for ExpectedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let error: &(dyn Error + 'static) = &*self.0;
        if self.0.context().is_some() { Some(error) } else { error.source() }
    }
}

impl ExpectedError {
    /// Returns a function for `map_err`: `what` is the operation that failed with `path`.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        Self::io_on(what, path.display().to_string())
    }

    /// Returns a function for `map_err`: `what` is the operation that failed with `thing`, which is
    /// not a path.
    pub fn io_on(
        what: &'static str,
        thing: impl Into<String>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let thing = thing.into();
        move |source| IoError { what, thing, source }.into()
    }

    /// Returns the inner error if it is an `E`.
    pub fn downcast_ref<E: Diagnostic>(&self) -> Option<&E> {
        let error: &(dyn Error + 'static) = &*self.0;
        error.downcast_ref()
    }

    /// Returns the inner error: its message, its exit code and its hint.
    pub fn diagnostic(&self) -> &dyn Diagnostic {
        &*self.0
    }

    /// Returns its exit code.
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }

    /// Returns its name in `--json`; for a failed action, the name of the failure.
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// Returns the next thing to do.
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}
