//! Removal of secrets from messages: secrets that this process holds are hidden wherever they
//! occur, others by their form.

use std::borrow::Cow;
use std::io::{self, Write};

use keynet_base::{quote, redaction};

use crate::ui::console::escaped;

/// Registers `secret`, which is shown as `***LABEL_…***` from now on.
pub fn remember(secret: &str, label: &'static str) {
    redaction::remember(secret, label);
}

/// Returns `text` without secrets.
pub fn hide(text: &str) -> Cow<'_, str> {
    redaction::redact(text)
}

/// A writer that removes secrets; each write must be a whole message, such as a line of `tracing`.
#[derive(Debug)]
pub struct Hidden<W> {
    stream: W,
    /// `true` if the stream is a terminal.
    watched: bool,
}

impl<W> Hidden<W> {
    /// Creates a writer to `stream`, which is a terminal if it is `watched`.
    pub fn new(stream: W, watched: bool) -> Self {
        Self { stream, watched }
    }
}

impl<W: Write> Write for Hidden<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(message);
        let text = hide(&text);
        // `tracing` escapes control characters itself, and colours with some of its own.
        let turns = |c: char| quote::steers(c) && !c.is_control();
        let text = if self.watched { escaped(&text, turns) } else { text };
        self.stream.write_all(text.as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_whole_and_without_secrets() {
        let mut stream = Hidden::new(Vec::new(), false);
        stream.write_all(b"INFO password=of-this-line ok\n").unwrap();
        let written = String::from_utf8(stream.stream).unwrap();
        assert!(
            written.starts_with("INFO password=***PASSWORD_") && written.ends_with("*** ok\n"),
            "{written}"
        );
    }

    #[test]
    fn what_the_process_holds_is_hidden_in_its_messages() {
        remember("s3cr3t-of-this-test-alone", "TOKEN");
        let mut stream = Hidden::new(Vec::new(), true);
        stream
            .write_all("\x1b[2msent\x1b[0m s3cr3t-of-this-test-alone to \u{202e}x\n".as_bytes())
            .unwrap();
        let written = String::from_utf8(stream.stream).unwrap();
        assert!(
            written.starts_with("\x1b[2msent\x1b[0m ***TOKEN_")
                && written.ends_with(" to \\u{202e}x\n"),
            "{written:?}"
        );
    }
}
