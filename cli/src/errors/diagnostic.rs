//! Presentation of an error: its exit code, its name in JSON, and its message for a person.

use std::error::Error;

use super::Exit;

/// An error of a command. Each module implements it beside its own error type.
pub trait Diagnostic: Error + Send + Sync + 'static {
    /// Returns its exit code.
    fn exit(&self) -> Exit;

    /// Returns its name in `--json`: the name of the exit code, unless it has one of its own.
    fn kind(&self) -> &'static str {
        self.exit().kind()
    }

    /// Returns the next thing to do; `None` if the message has it or nothing can be done.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Returns the sentence that a command puts before the error; `None` if its message stands
    /// alone.
    fn context(&self) -> Option<&'static str> {
        None
    }

    /// Returns the message for a person, which follows `error: `.
    fn sentence(&self) -> String {
        self.to_string()
    }

    /// Returns the function names of the guest's backtrace, the innermost first.
    fn trace(&self) -> &[String] {
        &[]
    }

    /// Returns further facts for a person, each with its label.
    fn details(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }
}
