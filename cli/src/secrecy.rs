//! No secret leaves the process by a message: those that this process holds are remembered and hidden wherever they turn up, others by
//! their form and their names.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use keynet_host::{quote, redaction};

use crate::console::escaped;

/// A shorter text is part of too many others.
const SHORTEST: usize = 4;

/// What this process holds.
static HELD: Secrets = Secrets::new();

/// Secrets that are shown nowhere.
#[derive(Debug)]
pub struct Secrets {
    /// With their labels, the longest first: one may be a part of another.
    known: RwLock<Vec<(String, &'static str)>>,
}

impl Secrets {
    /// None yet.
    const fn new() -> Self {
        Self { known: RwLock::new(Vec::new()) }
    }

    fn remember(&self, secret: &str, label: &'static str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|(other, _)| other == secret) {
            known.push((secret.to_owned(), label));
            known.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.len()));
        }
    }

    fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for (secret, label) in self.known.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(secret.as_str()) {
                text = Cow::Owned(text.replace(secret.as_str(), &redaction::mask(label, secret.as_bytes())));
            }
        }
        match text {
            Cow::Borrowed(text) => redaction::redact(text),
            Cow::Owned(text) => Cow::Owned(redaction::redact(&text).into_owned()),
        }
    }
}

/// From now on `secret` is shown as `***LABEL_…***`.
pub fn remember(secret: &str, label: &'static str) {
    HELD.remember(secret, label);
}

/// `text` without secrets.
pub fn hide(text: &str) -> Cow<'_, str> {
    HELD.hide(text)
}

/// A stream that messages go to whole, such as the lines of `tracing`.
#[derive(Debug)]
pub struct Hidden<W> {
    stream: W,
    secrets: &'static Secrets,
    /// Whether a person reads it, on a terminal.
    watched: bool,
}

impl<W> Hidden<W> {
    /// Writes to `stream`, which is a terminal if it is `watched`, without the secrets that this process holds.
    pub fn new(stream: W, watched: bool) -> Self {
        Self { stream, secrets: &HELD, watched }
    }
}

impl<W: Write> Write for Hidden<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(message);
        let text = self.secrets.hide(&text);
        // Of control characters `tracing` takes care, and colours with some of its own.
        let turns = |c: char| quote::steers(c) && !c.is_control();
        let text = if self.watched { escaped(&text, turns) } else { text };
        self.stream.write_all(text.as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Each test has secrets of its own: others run in the same process, and hold theirs.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_hidden_anywhere() {
        let secrets = Secrets::new();
        secrets.remember("s3cr3t", "UPLOAD_KEY");
        secrets.remember("s3cr3t-and-more", "TOKEN");
        secrets.remember("abc", "TOKEN");
        let hidden = secrets.hide("you sent <s3cr3t-and-more> and s3cr3t; abc, token=xyz9").into_owned();
        assert!(!hidden.contains("s3cr3t") && !hidden.contains("xyz9"), "{hidden}");
        assert!(hidden.contains("<***TOKEN_") && hidden.contains("***UPLOAD_KEY_") && hidden.contains("; abc,"), "{hidden}");
        assert!(matches!(secrets.hide("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn messages_are_written_whole_and_without_secrets() {
        static NONE: Secrets = Secrets::new();
        let mut stream = Hidden { stream: Vec::new(), secrets: &NONE, watched: false };
        stream.write_all(b"INFO password=hunter2 ok\n").unwrap();
        assert_eq!(stream.stream, b"INFO password=***PASSWORD_f52f*** ok\n");
    }

    #[test]
    fn what_the_process_holds_is_hidden_in_its_messages() {
        remember("s3cr3t-of-this-test-alone", "TOKEN");
        let mut stream = Hidden::new(Vec::new(), true);
        stream.write_all("\x1b[2msent\x1b[0m s3cr3t-of-this-test-alone to \u{202e}x\n".as_bytes()).unwrap();
        let written = String::from_utf8(stream.stream).unwrap();
        assert!(written.starts_with("\x1b[2msent\x1b[0m ***TOKEN_") && written.ends_with(" to \\u{202e}x\n"), "{written:?}");
    }
}
