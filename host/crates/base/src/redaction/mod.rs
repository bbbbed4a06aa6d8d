//! Removal of secrets from text that is logged or shown.
//!
//! A secret is found because it is known ([`remember`]: secrets of this process, as they are and
//! encoded), or by its form: access keys of AWS, JSON Web Tokens, tokens of well-known services,
//! `KEYNET_…` and `TRITON_…` credentials, `Authorization` headers, private keys in PEM,
//! `user:password@` in URLs. A name alone does not make a secret: a value that is assigned to a
//! name ending in `password`, `secret`, `token` or `key` is a secret if it looks like one:
//! `api_key=8f14e45f` but not `key=20260131/cat.png`. `names.rs` and `value.rs` have the rules.
//!
//! A secret is replaced by a label and the first four hexadecimal digits of its SHA-256,
//! `***TOKEN_9f86***`: two lines can be compared without showing the secret. The number of lines is
//! unchanged, and JSON stays valid.
//!
//! Each byte is read a bounded number of times, for any text. Redaction is a safety net in addition
//! to other measures, not a guarantee.

mod assignment;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod known;
mod names;
mod pem;
mod scan;
mod tokens;
mod value;

use std::borrow::Cow;
use std::ops::Range;

pub use known::remember;
use scan::Part;
use sha2::{Digest as _, Sha256};

/// Returns `text` without its secrets. It may have several lines.
///
/// ```
/// use keynet_base::redaction::redact;
/// assert_eq!(redact("threshold = 0.3"), "threshold = 0.3");
/// assert_eq!(redact("password = hunter2"), "password = ***PASSWORD_f52f***");
/// assert_eq!(redact("key = 20260131/cat.png, next_token = 50256"), "key = 20260131/cat.png, next_token = 50256");
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    match redact_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // Replacements begin and end at ASCII characters, so this is UTF-8.
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Same as [`redact`], for text in any encoding that contains ASCII.
pub fn redact_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    let mut redactor = Redactor::default();
    let mut whole: Option<Vec<u8>> = None;
    let mut done = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        match (redactor.line(body), &mut whole) {
            (Cow::Borrowed(_), None) => {}
            (Cow::Borrowed(_), Some(whole)) => whole.extend_from_slice(line),
            (Cow::Owned(redacted), _) => {
                let whole =
                    whole.get_or_insert_with(|| text.get(..done).unwrap_or_default().to_vec());
                whole.extend_from_slice(&redacted);
                whole.extend_from_slice(line.get(body.len()..).unwrap_or_default());
            }
        }
        done += line.len();
    }
    whole.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Returns the replacement for `secret`: `***LABEL_` with the first four digits of its digest and
/// `***`.
pub fn mask(label: &str, secret: &[u8]) -> String {
    let digits = hex::encode(Sha256::digest(secret));
    format!("***{label}_{}***", digits.get(..4).unwrap_or_default())
}

/// Redaction of a stream line by line, with the state of a secret that continues across lines: a
/// private key, or a value that was cut.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Number of lines of a private key that may still follow.
    key_lines: u16,
    /// True if a value was cut and its rest follows.
    inside_value: bool,
}

impl Redactor {
    /// Returns the line without its secrets; borrowed if it has none.
    pub fn line<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        self.piece(line, true)
    }

    /// Redacts a piece of a line that arrives in several; `last` is true for the last. A secret
    /// that began in one piece continues in the next.
    pub fn piece<'a>(&mut self, piece: &'a [u8], last: bool) -> Cow<'a, [u8]> {
        match known::held().map(|known| known.hide(piece)) {
            Some(Cow::Owned(rest)) => Cow::Owned(self.found(&rest, last).into_owned()),
            _ => self.found(piece, last),
        }
    }

    /// Returns the piece without the secrets that are found by their form.
    fn found<'a>(&mut self, piece: &'a [u8], last: bool) -> Cow<'a, [u8]> {
        let mut draft = Draft { text: piece, done: 0, redacted: None };
        let mut inside_value = false;
        if std::mem::take(&mut self.inside_value) {
            let rest = scan::value_length(piece);
            draft.hide(0, rest, "REST");
            inside_value = rest == piece.len();
        }
        if self.key_lines > 0
            && let Some(body) = self.key_line(&mut draft)
        {
            // The text before the key, such as a logger's time, is redacted as usual.
            while let Some(hit) = piece
                .get(..body.start)
                .and_then(|before| scan::next(before, draft.done, Part::Last))
            {
                draft.hide_as(hit.from, hit.to, hit.label, hit.quoted);
            }
            draft.hide(body.start, body.end, pem::LABEL);
        }
        let part = if last { Part::Last } else { Part::GoesOn };
        while let Some(hit) = scan::next(piece, draft.done, part) {
            if hit.opens_key {
                self.key_lines = pem::MAX_LINES;
            }
            draft.hide_as(hit.from, hit.to, hit.label, hit.quoted);
            if hit.to == piece.len() {
                inside_value = !hit.opens_key;
                break;
            }
        }
        self.inside_value = inside_value && !last;
        draft.finish()
    }

    /// Handles a line that follows the beginning of a private key. Returns the position of the
    /// key's part if the key continues.
    fn key_line(&mut self, draft: &mut Draft<'_>) -> Option<Range<usize>> {
        self.key_lines -= 1;
        match pem::line(draft.text) {
            pem::Line::Header => {}
            pem::Line::Body(part) => return Some(part),
            pem::Line::Ends(to) => {
                draft.hide(0, to, pem::LABEL);
                self.key_lines = 0;
            }
            pem::Line::Other => self.key_lines = 0,
        }
        None
    }
}

/// Line in progress, copied only if something is hidden.
struct Draft<'a> {
    text: &'a [u8],
    done: usize,
    redacted: Option<Vec<u8>>,
}

impl<'a> Draft<'a> {
    fn hide(&mut self, from: usize, to: usize, label: &str) {
        self.hide_as(from, to, label, false);
    }

    fn hide_as(&mut self, from: usize, to: usize, label: &str, quoted: bool) {
        let (Some(before), Some(secret)) =
            (self.text.get(self.done..from), self.text.get(from..to))
        else {
            return;
        };
        if secret.is_empty() {
            return;
        }
        let redacted = self.redacted.get_or_insert_default();
        redacted.extend_from_slice(before);
        let quote: &[u8] = if quoted { b"\"" } else { b"" };
        for part in [quote, mask(label, secret).as_bytes(), quote] {
            redacted.extend_from_slice(part);
        }
        self.done = to;
    }

    fn finish(self) -> Cow<'a, [u8]> {
        match self.redacted {
            None => Cow::Borrowed(self.text),
            Some(mut redacted) => {
                redacted.extend_from_slice(self.text.get(self.done..).unwrap_or_default());
                Cow::Owned(redacted)
            }
        }
    }
}

/// Returns the best position to cut an incomplete line: at a space near its end that is not
/// adjacent to `=` or `:`, so that no secret is separated from its name; at its end if there is no
/// such space.
pub fn cut(line: &[u8]) -> usize {
    const NEAR: usize = 4 << 10;
    let first = line.len().saturating_sub(NEAR).max(1);
    let separates = |byte: &u8| matches!(byte, b'=' | b':' | b'>');
    let mut after = None;
    for (at, byte) in line.iter().enumerate().skip(first).rev() {
        if !byte.is_ascii_whitespace() {
            after = Some(byte);
            continue;
        }
        let before = line.get(at - 1).filter(|byte| !byte.is_ascii_whitespace());
        let scheme = || line.get(..at).is_some_and(assignment::ends_in_scheme);
        if before.is_some_and(|byte| !separates(byte))
            && after.is_some_and(|byte| !separates(byte))
            && !scheme()
        {
            return at;
        }
    }
    line.len()
}

#[cfg(test)]
mod tests;
