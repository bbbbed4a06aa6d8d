//! Scanner for the next secret of a line.

use super::{assignment, pem, tokens};

/// Secret in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: &'static str,
    /// True if it is a private key whose end is on another line.
    pub(super) opens_key: bool,
    /// True if the replacement is put in quotation marks.
    pub(super) quoted: bool,
}

impl Hit {
    pub(super) fn new(from: usize, to: usize, label: &'static str) -> Self {
        Self { from, to, label, opens_key: false, quoted: false }
    }
}

/// Kind of a piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The line ends with this piece.
    Last,
    /// The line continues in the next piece.
    GoesOn,
}

/// Returns the first secret that begins at or after `from`. The text before `from` is already
/// processed and cannot be the name of a value.
pub(super) fn next(line: &[u8], from: usize, part: Part) -> Option<Hit> {
    let mut before =
        from.checked_sub(1).and_then(|before| line.get(before)).copied().unwrap_or(b' ');
    for (at, byte) in line.iter().copied().enumerate().skip(from) {
        let hit = match byte {
            b'=' | b':' => assignment::at(line, from, at, part).or_else(|| url(line, at)),
            b'-' => pem::begins(line, at),
            // Most bytes are inside a word.
            _ if !in_word(byte) || in_word(before) => None,
            _ => tokens::at(line, at),
        };
        if hit.is_some() {
            return hit;
        }
        before = byte;
    }
    None
}

/// Matches `user:password` after the `://` whose colon is at `at`.
fn url(line: &[u8], at: usize) -> Option<Hit> {
    let rest = line.get(at..)?.strip_prefix(b"://")?;
    line.get(at.checked_sub(1)?).filter(|byte| byte.is_ascii_alphanumeric())?;
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#') || ends_value(*byte);
    let authority = rest.get(..rest.iter().position(ends).unwrap_or(rest.len()))?;
    let user = match authority.iter().rposition(|byte| *byte == b'@') {
        Some(end) => end,
        None => badly_written(rest, authority)?,
    };
    rest.get(..user)?.contains(&b':').then(|| Hit::new(at + 3, at + 3 + user, "URL"))
}

/// Returns the end of a password with a `/` that should have been written `%2F`: no port follows,
/// but an `@` further on.
fn badly_written(rest: &[u8], authority: &[u8]) -> Option<usize> {
    const NEAR: usize = 256;
    let (_, port) =
        authority.split_at_checked(authority.iter().rposition(|byte| *byte == b':')? + 1)?;
    let near = rest.get(..NEAR).unwrap_or(rest);
    let password = !port.iter().all(u8::is_ascii_digit);
    near.get(..value_length(near))?.iter().position(|byte| *byte == b'@').filter(|_| password)
}

/// Returns the length of one value: everything up to a space, a quotation mark or a control
/// character.
pub(super) fn value_length(text: &[u8]) -> usize {
    text.iter().position(|byte| ends_value(*byte)).unwrap_or(text.len())
}

fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || byte.is_ascii_control()
        || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>')
}

pub(super) fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
