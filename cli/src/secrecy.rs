//! No secret leaves the process by a message: those that this process holds are remembered and hidden wherever they turn up, others by
//! their form and their names.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};

use keynet_host::redaction;

/// A shorter text is part of too many others.
const SHORTEST: usize = 4;

/// What this process holds, the longest first: one may be a part of another.
static REMEMBERED: RwLock<Vec<(String, &'static str)>> = RwLock::new(Vec::new());

/// From now on `secret` is shown as `***LABEL_…***`.
pub fn remember(secret: &str, label: &'static str) {
    if secret.len() < SHORTEST {
        return;
    }
    let mut remembered = REMEMBERED.write().unwrap_or_else(PoisonError::into_inner);
    if !remembered.iter().any(|(known, _)| known == secret) {
        remembered.push((secret.to_owned(), label));
        remembered.sort_by_key(|(known, _)| std::cmp::Reverse(known.len()));
    }
}

/// `text` without secrets.
pub fn hide(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for (secret, label) in REMEMBERED.read().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), &redaction::mask(label, secret.as_bytes())));
        }
    }
    match text {
        Cow::Borrowed(text) => redaction::redact(text),
        Cow::Owned(text) => Cow::Owned(redaction::redact(&text).into_owned()),
    }
}

/// A stream that messages go to whole, such as the lines of `tracing`.
#[derive(Debug)]
pub struct Hidden<W>(pub W);

impl<W: Write> Write for Hidden<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.0.write_all(hide(&String::from_utf8_lossy(message)).as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_hidden_anywhere() {
        remember("s3cr3t-of-this-test", "UPLOAD_KEY");
        remember("s3cr3t-of-this-test-and-more", "TOKEN");
        remember("abc", "TOKEN");
        let hidden = hide("you sent <s3cr3t-of-this-test-and-more> and s3cr3t-of-this-test; abc, token=xyz9").into_owned();
        assert!(!hidden.contains("s3cr3t") && !hidden.contains("xyz9"), "{hidden}");
        assert!(hidden.contains("<***TOKEN_") && hidden.contains("***UPLOAD_KEY_") && hidden.contains("; abc,"), "{hidden}");
        assert!(matches!(hide("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn messages_are_written_whole_and_without_secrets() {
        let mut stream = Hidden(Vec::new());
        stream.write_all(b"INFO password=hunter2 ok\n").unwrap();
        assert_eq!(stream.0, b"INFO password=***PASSWORD_f52f*** ok\n");
    }
}
