//! The next secret of a line.

use super::{assignment, pem};

/// A secret in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) label: &'static str,
    /// A private key begins here whose end is on another line.
    pub(super) opens_key: bool,
}

impl Hit {
    pub(super) fn new(from: usize, to: usize, label: &'static str) -> Self {
        Self { from, to, label, opens_key: false }
    }
}

/// The bytes that a secret, or what assigns it, begins with: a bit for each byte from `-` on.
const BEGINNINGS: u64 = bit(b'=') | bit(b':') | bit(b'A') | bit(b'K') | bit(b'T') | bit(b'-');

const fn bit(byte: u8) -> u64 {
    match byte.checked_sub(b'-') {
        Some(place @ 0..64) => 1 << place,
        _ => 0,
    }
}

/// The first secret that begins at or after `from`. What is before `from` is done and is no name of anything.
pub(super) fn next(line: &[u8], from: usize) -> Option<Hit> {
    let mut at = from;
    loop {
        at += line.get(at..)?.iter().position(|byte| BEGINNINGS & bit(*byte) != 0)?;
        let hit = match line.get(at)? {
            b'=' | b':' => assignment::at(line, from, at).or_else(|| url(line, at)),
            b'-' => pem::begins(line, at),
            _ if at.checked_sub(1).and_then(|before| line.get(before)).is_some_and(|byte| in_word(*byte)) => None,
            _ => credential(line, at),
        };
        if hit.is_some() {
            return hit;
        }
        at += 1;
    }
}

/// A word of a credential's own form.
fn credential(line: &[u8], at: usize) -> Option<Hit> {
    let rest = line.get(at..)?;
    if let Some(id) = rest.strip_prefix(b"AKIA").or_else(|| rest.strip_prefix(b"ASIA")) {
        let length = id.iter().take_while(|byte| in_word(**byte)).count();
        let plain = id.get(..16)?.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        return (length == 16 && plain).then(|| Hit::new(at, at + 20, "AWS_KEY"));
    }
    let (prefix, label) = match rest.first() {
        Some(b'K') => (b"KEYNET_", "KEYNET_KEY"),
        _ => (b"TRITON_", "TRITON_KEY"),
    };
    let rest = rest.strip_prefix(prefix)?;
    let word = rest.get(..rest.iter().take_while(|byte| in_word(**byte) || **byte == b'-').count())?;
    // KEYNET_LOGS is the name of a variable.
    let name = word.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    (!name).then(|| Hit::new(at, at + prefix.len() + word.len(), label))
}

/// `user:password` after the `://` whose colon is at `at`.
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

/// The end of a password with a `/` that should have been written `%2F`: there is no port but an `@` further on.
fn badly_written(rest: &[u8], authority: &[u8]) -> Option<usize> {
    const NEAR: usize = 256;
    let (_, port) = authority.split_at_checked(authority.iter().rposition(|byte| *byte == b':')? + 1)?;
    let near = rest.get(..NEAR).unwrap_or(rest);
    let password = !port.iter().all(u8::is_ascii_digit);
    near.get(..value_length(near))?.iter().position(|byte| *byte == b'@').filter(|_| password)
}

/// How much of `text` is one value: all up to a space, a quotation mark or a control character.
pub(super) fn value_length(text: &[u8]) -> usize {
    text.iter().position(|byte| ends_value(*byte)).unwrap_or(text.len())
}

fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>')
}

pub(super) fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
