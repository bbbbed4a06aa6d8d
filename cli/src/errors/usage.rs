//! A command line, or what it names, that says something else than the command needs.

use super::{Diagnostic, Exit};

/// What is wrong with what was said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The parameters of a run.
    #[error("the parameters in {origin} cannot be used")]
    Parameters {
        /// The file or flag.
        origin: String,
        /// What is wrong with them.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something was not said, and nobody was there to be asked.
    #[error("the {what} is missing: say it with {flag}")]
    Missing {
        /// What.
        what: String,
        /// What says it.
        flag: &'static str,
    },
    /// An argument that clap could not judge.
    #[error("{argument}: {why}")]
    Argument {
        /// What was written; no secret.
        argument: String,
        /// What to write instead.
        why: String,
    },
}

impl UsageError {
    /// What is wrong with the parameters in a file or flag.
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
}
