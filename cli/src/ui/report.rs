//! Errors as text: on one line for `--json`, with all details for a person.

use std::error::Error;
use std::fmt::Write as _;
use std::iter;

use super::console::{Console, printable};
use super::secrecy;
use crate::errors::ExpectedError;

impl ExpectedError {
    /// Returns the message with its causes, on one line: for `--json`.
    pub fn one_line(&self) -> String {
        let mut text = match self.diagnostic().context() {
            Some(context) => context.to_owned(),
            // The plain message, as the action returned it, without the sentence that the report
            // adds.
            None => self.diagnostic().to_string(),
        };
        for cause in causes(self) {
            let _ = write!(text, ": {cause}");
        }
        secrecy::hide(&text).into_owned()
    }

    /// Returns the message for a person, with its causes, the guest's backtrace and the next thing
    /// to do.
    pub fn report(&self, console: Console) -> String {
        let mut text = format!("{} {}\n", console.error_label(), indented(&self.to_string()));
        for cause in causes(self) {
            let _ = writeln!(text, "  caused by: {}", indented(&cause.to_string()));
        }
        for frames in self.diagnostic().trace().chunk_by(|one, next| one == next) {
            let times =
                if frames.len() > 1 { format!(", {} times", frames.len()) } else { String::new() };
            let frame = frames.first().map_or("", String::as_str);
            let _ = writeln!(text, "  at {}{times}", printable(frame));
        }
        for (label, detail) in self.diagnostic().details() {
            let _ = writeln!(text, "  {label}: {}", indented(detail));
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "  {} {}", console.hint_label(), printable(&hint));
        }
        secrecy::hide(&text).into_owned()
    }
}

/// Returns the causes of `error`, the nearest first.
fn causes(error: &ExpectedError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(error.source(), |&cause| cause.source())
}

/// Indents the further lines of a message below its first one.
fn indented(text: &str) -> String {
    printable(text.trim_end()).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use keynet_host::Failure;

    use super::*;
    use crate::errors::{Exit, UsageError};

    #[test]
    fn a_report_has_causes_and_a_hint() {
        let source = io::Error::from(io::ErrorKind::IsADirectory);
        let error = ExpectedError::io("read", Path::new("hello"))(source);
        let report = error.report(Console::plain());
        assert_eq!(
            report,
            "error: cannot read hello\n  caused by: is a directory\n  hint: name the component's \
                file; `keynet-inference build` makes it from a project's folder\n"
        );
        assert_eq!((error.exit(), error.kind()), (Exit::Io, "io"));
    }

    #[test]
    fn a_report_shows_no_secret() {
        let error = ExpectedError::from(UsageError::Argument {
            argument: "the password=abcdef".to_owned(),
            why: "https://ada:hunter2@host".to_owned(),
        });
        for text in [error.report(Console::plain()), error.one_line()] {
            assert!(!text.contains("abcdef") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_trap_says_where() {
        let error = ExpectedError::from(Failure::Trap {
            reason: "it divided by zero".into(),
            trace: ["f", "f", "main"].map(str::to_owned).into(),
        });
        assert_eq!(
            error.report(Console::plain()),
            "error: the action trapped: it divided by \
            zero\n  at f, 2 times\n  at main\n"
        );
        assert_eq!(error.kind(), "trap");
    }
}
