//! Private keys in PEM (RFC 7468), on one line or on many.

use std::ops::Range;

use super::scan::Hit;

pub(super) const LABEL: &str = "PRIVATE_KEY";

/// Largest number of lines: a key of 16,384 bits has about 200.
pub(super) const MAX_LINES: u16 = 512;

const DASHES: &[u8] = b"-----";

/// Returns a private key that begins at `at`: up to its end if that is on this line, else the rest
/// of the line.
pub(super) fn begins(line: &[u8], at: usize) -> Option<Hit> {
    let after = at + boundary(line.get(at..)?, b"-----BEGIN ")?;
    Some(match end(line, after) {
        Some(to) => Hit::new(at, to, LABEL),
        None => Hit { opens_key: true, ..Hit::new(at, line.len(), LABEL) },
    })
}

/// Returns the length of `-----BEGIN … PRIVATE KEY-----` if `text` begins with it.
fn boundary(text: &[u8], begin: &[u8]) -> Option<usize> {
    let label = text.strip_prefix(begin)?;
    let length = label
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ')
        .count();
    let (name, rest) = label.split_at_checked(length)?;
    let key = [&b"PRIVATE KEY"[..], b"PRIVATE KEY BLOCK", b"RSA KEY"]
        .iter()
        .any(|end| name.ends_with(end))
        || name == b"KEY";
    (key && rest.starts_with(DASHES)).then_some(begin.len() + length + DASHES.len())
}

/// Returns the position after the first end marker of a private key at or after `from`.
fn end(line: &[u8], from: usize) -> Option<usize> {
    const END: &[u8] = b"-----END ";
    let mut at = from;
    loop {
        at += line.get(at..)?.windows(END.len()).position(|part| part == END)?;
        if let Some(length) = boundary(line.get(at..)?, END) {
            return Some(at + length);
        }
        at += END.len();
    }
}

/// Kind of a line that follows the beginning of a private key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Empty line, or a header such as `Proc-Type: 4,ENCRYPTED`.
    Header,
    /// Part of the key, at this position.
    Body(Range<usize>),
    /// End of the key, at this position.
    Ends(usize),
    /// Any other text: it was not a key, or the key has ended.
    Other,
}

/// Classifies `line`.
pub(super) fn line(line: &[u8]) -> Line {
    if let Some(to) = end(line, 0) {
        return Line::Ends(to);
    }
    let text = line.trim_ascii();
    if text.is_empty()
        || [&b"Proc-Type:"[..], b"DEK-Info:", b"Comment:", b"Version:"]
            .iter()
            .any(|header| text.starts_with(header))
    {
        return Line::Header;
    }
    // A logger may have written a time before it, a programming language quotation marks around it.
    let around = |byte: &u8| {
        matches!(byte, b'"' | b'\'' | b',' | b'\\' | b';' | b'|') || byte.is_ascii_whitespace()
    };
    let to = line.len() - line.iter().rev().take_while(|byte| around(byte)).count();
    let Some(kept) = line.get(..to) else { return Line::Other };
    let length = kept
        .iter()
        .rev()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\\')
        })
        .count();
    let from = to - length;
    let alone = kept.get(..from).is_some_and(|before| before.iter().all(around));
    if length >= 24 || (alone && length > 0) { Line::Body(from..to) } else { Line::Other }
}
