//! The meaning of an error for the process, for programs and for a person.

use std::error::Error;

use super::Exit;

/// An error of a command. The errors of a room implement it beside their type.
pub trait Diagnostic: Error + Send + Sync + 'static {
    /// Returns its exit code.
    fn exit(&self) -> Exit;

    /// Returns its name in `--json`: that of the exit code, unless it has one of its own.
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

    /// Returns the message for a person, to stand after `error: `.
    fn sentence(&self) -> String {
        self.to_string()
    }

    /// Returns the functions that it came through, the innermost first.
    fn trace(&self) -> &[String] {
        &[]
    }

    /// Returns further facts for a person, each with its label.
    fn details(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }
}
