//! Errors of the command line, or of the files that it names.

use super::{Diagnostic, Exit};

/// Usage error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The parameters of a run cannot be used.
    #[error("the parameters in {origin} cannot be used")]
    Parameters {
        /// File or flag.
        origin: String,
        /// Reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A value is missing, and there is no terminal to prompt on.
    #[error("the {what} is missing: say it with {flag}")]
    Missing {
        /// Name of the value.
        what: String,
        /// Flag that sets it.
        flag: &'static str,
    },
    /// Standard input, from which a password is read, is empty.
    #[error("standard input has no password: it is empty")]
    EmptyPassword,
    /// An argument is wrong in a way that clap cannot check.
    #[error("{argument}: {why}")]
    Argument {
        /// Argument as written; never a secret.
        argument: String,
        /// Reason, with the accepted form.
        why: String,
    },
}

impl UsageError {
    /// Returns the error for the parameters in a file or flag.
    pub fn parameters(
        origin: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Parameters { origin: origin.into(), source: source.into() }
    }
}

impl Diagnostic for UsageError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::EmptyPassword).then(|| {
            "a variable or a CI secret that is not set is empty; `printf %s \"$PASSWORD\" | \
                keynet-inference login … --password-stdin` sends one"
                .to_owned()
        })
    }
}
