//! What an error says about itself besides its message and its causes.

use super::Exit;

/// What an error means for the process, for programs and for whoever meets it. Each room's errors
/// say it themselves.
pub trait Diagnostic {
    /// Its exit code.
    fn exit(&self) -> Exit;

    /// Its name in `--json`: that of the exit code, where it has none of its own.
    fn kind(&self) -> &'static str {
        self.exit().kind()
    }

    /// What to do next, unless the message says it or nothing can be done.
    fn hint(&self) -> Option<String> {
        None
    }
}
