//! Secrets in `NAME=value`, `name: value`, `"name": "value"`: values that look like a secret,
//! assigned to a name that is used for secrets.

use std::ops::Range;

use super::names::{self, Kind, Name, Named, named};
use super::scan::{self, Hit, Part};
use super::value::{LOOKED_AT, SHORTEST, is_credential, is_secret};

/// Largest length of a name, in bytes.
const MAX_NAME: usize = 128;

/// HTTP authentication schemes, which precede the value.
const SCHEMES: [&[u8]; 6] = [b"bearer", b"basic", b"token", b"apikey", b"dpop", b"negotiate"];

/// Reports whether `text` ends in the name of a scheme, which the secret follows.
pub(super) fn ends_in_scheme(text: &[u8]) -> bool {
    SCHEMES.iter().any(|known| {
        let end = text.len().checked_sub(known.len()).and_then(|start| text.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(known))
    })
}

fn is_scheme(word: &[u8]) -> bool {
    SCHEMES.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Position of a value after its name.
#[derive(Debug, Clone)]
struct Value {
    place: Range<usize>,
    quoted: bool,
    /// True if the value follows the name of a scheme.
    credential: bool,
}

/// Returns the secret that is assigned by the `=` or `:` at `at` to a name that begins at or after
/// `floor`.
pub(super) fn at(line: &[u8], floor: usize, at: usize, part: Part) -> Option<Hit> {
    if at == floor || !names::may_end(*line.get(at - 1)?) {
        return None;
    }
    let separator = *line.get(at)?;
    let following = line.get(at + 1..)?;
    let beside_colon =
        following.first() == Some(&b':') || (at > floor && line.get(at - 1) == Some(&b':'));
    if separator == b':' && (beside_colon || following.starts_with(b"//")) {
        return None;
    }
    let name = Name::before(line.get(floor.max(at.saturating_sub(MAX_NAME))..at)?)?;
    // The `:` is of a reference with a tag, `team/upload-token:1.0`, or of a path with a line
    // number.
    if separator == b':'
        && name.in_path
        && !name.quoted
        && !following.first().is_some_and(u8::is_ascii_whitespace)
    {
        return None;
    }
    let named = named(name.text)?;
    // `:=`, `==` and `=>` are separators too.
    let doubled = usize::from(matches!(following.first(), Some(b'=' | b'>')));
    let from = at + 1 + doubled;
    let text = line.get(from..)?;
    if part == Part::GoesOn
        && let Some(begins) = too_short_to_tell(text)
    {
        return Some(Hit::new(from + begins, line.len(), named.label));
    }
    // The beginning decides, so that a value that is not a secret costs no more than reading that.
    let value = value(text, name.quoted, LOOKED_AT)?;
    let ends_here = value.place.end == text.len();
    if part == Part::GoesOn && ends_here && value.place.len() < LOOKED_AT {
        // The rest of the value may turn it into a secret.
        return Some(Hit::new(from + value.place.start, line.len(), named.label));
    }
    if !decide(text, &value, &name, named, separator) || names_another(text, &value.place) {
        return None;
    }
    let value = self::value(text, name.quoted, usize::MAX)?;
    if names_another(text, &value.place) {
        return None;
    }
    let hit = Hit::new(from + value.place.start, from + value.place.end, named.label);
    // A number in JSON is replaced by a string, so that JSON stays valid.
    Some(Hit { quoted: name.quoted && !value.quoted, ..hit })
}

/// Returns the position at which a value begins if `text` has too little of it to classify it.
fn too_short_to_tell(text: &[u8]) -> Option<usize> {
    let text = Some(text).filter(|text| text.len() <= LOOKED_AT)?;
    let spaces = leading(text);
    let quotes = text
        .get(spaces..)?
        .iter()
        .take_while(|byte| matches!(byte, b'\\' | b'"' | b'\'' | b'`'))
        .count();
    let value = text.get(spaces + quotes..)?;
    (value.len() < SHORTEST && scan::value_length(value) == value.len()).then_some(spaces + quotes)
}

/// Reports whether the value after the name is a secret.
fn decide(text: &[u8], value: &Value, name: &Name<'_>, named: Named, separator: u8) -> bool {
    let Some(secret) = text.get(value.place.clone()) else { return false };
    if value.credential {
        return is_credential(secret);
    }
    // `"authorization": "Bearer …"`
    let scheme = secret
        .iter()
        .position(|byte| *byte == b' ')
        .filter(|_| value.quoted)
        .and_then(|end| secret.split_at_checked(end));
    if let Some((_, credential)) = scheme.filter(|(scheme, _)| is_scheme(scheme)) {
        return is_credential(credential.trim_ascii_start());
    }
    // An unquoted value in JSON is a number: numbers are not generated secrets, and inside a string
    // of JSON a number could not be replaced by a string.
    if name.quoted
        && !value.quoted
        && (named.kind != Kind::Password || name.escaped || !secret.iter().all(u8::is_ascii_digit))
    {
        return false;
    }
    let spaced = text.first().is_some_and(u8::is_ascii_whitespace);
    let in_sentence = separator == b':' && spaced && !value.quoted && !name.quoted;
    is_secret(secret, named.kind, in_sentence)
}

/// Reports whether a value is, or ends in, the name of a secret that follows: `PASSWORD=
/// TOKEN='abc'`, `password: token = abc`, `'x token='abc'`. The first name then has no value, or an
/// unterminated one; the second secret is found by its own separator, provided that its name is not
/// hidden.
fn names_another(text: &[u8], value: &Range<usize>) -> bool {
    const NEAR: usize = 64;
    let separates = |byte: &u8| matches!(byte, b'=' | b':');
    let beside =
        |byte: &u8| matches!(byte, b'"' | b'\'' | b'`' | b'\\') || byte.is_ascii_whitespace();
    let (Some(value), Some(after)) = (text.get(value.clone()), text.get(value.end..)) else {
        return false;
    };
    let mut value = trim_end(value, beside);
    if let Some(opened) = value.strip_suffix(b"(") {
        // `token: Some("…`
        value = trim_end(trim_end(opened, |byte| scan::in_word(*byte)), beside);
    }
    let before = trim_end(value, separates);
    let following = after.iter().take(NEAR).find(|byte| !beside(byte));
    let assigned = if before.len() < value.len() {
        following.is_some()
    } else {
        following.is_some_and(separates)
    };
    if !assigned {
        return false;
    }
    let word = trim_end(before, beside);
    let letters = word
        .iter()
        .rev()
        .take(MAX_NAME)
        .take_while(|byte| scan::in_word(**byte) || matches!(byte, b'-' | b'.'))
        .count();
    word.get(word.len() - letters..).is_some_and(|name| named(name).is_some())
}

/// Returns `text` without the trailing bytes for which `less` is true.
fn trim_end(text: &[u8], less: impl Fn(&u8) -> bool) -> &[u8] {
    let length = text.iter().rposition(|byte| !less(byte)).map_or(0, |last| last + 1);
    text.get(..length).unwrap_or(text)
}

/// Returns the length of the spaces and terminal colours that `text` begins with.
fn leading(text: &[u8]) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        let colour = rest.strip_prefix(b"\x1b[").and_then(|rest| {
            let digits =
                rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
            rest.get(digits..)?.strip_prefix(b"m")
        });
        match colour {
            Some(after) => rest = after,
            None => return text.len() - rest.len(),
        }
    }
}

/// Returns the position of the value that `text` begins with; of a longer value, the first `most`
/// bytes.
fn value(text: &[u8], in_json: bool, most: usize) -> Option<Value> {
    let start = leading(text.get(..LOOKED_AT).unwrap_or(text));
    let length = unquoted(within(text, start, most)?, in_json);
    // `Authorization: Bearer …`
    let scheme = text.get(start..start + length)?;
    if is_scheme(scheme) {
        let behind = start + length;
        let next = behind + leading(within(text, behind, LOOKED_AT)?);
        let following = unquoted(within(text, next, most)?, in_json);
        if following > 0 {
            let place = next..next + following;
            return (following >= SHORTEST).then_some(Value {
                place,
                quoted: false,
                credential: true,
            });
        }
    }
    let rest = within(text, start, most)?;
    let (place, quoted) = match quoted(rest, length) {
        Some(inside) => (start + inside.start..start + inside.end, true),
        None => (start..start + length, false),
    };
    (place.len() >= SHORTEST).then_some(Value { place, quoted, credential: false })
}

/// Returns at most `most` bytes of `text` from `start` on.
fn within(text: &[u8], start: usize, most: usize) -> Option<&[u8]> {
    let rest = text.get(start..)?;
    Some(rest.get(..most).unwrap_or(rest))
}

/// Returns the length of a value without quotation marks.
fn unquoted(text: &[u8], in_json: bool) -> usize {
    let length = scan::value_length(text);
    let text = text.get(..length).unwrap_or(text);
    let ends = |(at, byte): (usize, &u8)| match byte {
        b',' | b'}' | b']' => in_json,
        b'&' => text.get(at + 1..).is_some_and(names_a_parameter),
        _ => false,
    };
    let length = text.iter().enumerate().position(ends).unwrap_or(length);
    let value = text.get(..length).unwrap_or_default();
    let called = value.ends_with(b")") && !value.contains(&b'(');
    // `\"` ends the value as `"` does, and a trailing comma belongs to the sentence.
    let after = |byte: &u8| matches!(byte, b'\\' | b',' | b';') || called && *byte == b')';
    length - value.iter().rev().take_while(|byte| after(byte)).count()
}

/// Reports whether `text` begins with the name of another query parameter and `=`.
fn names_a_parameter(text: &[u8]) -> bool {
    const LONGEST: usize = 64;
    let length = text
        .iter()
        .take(LONGEST)
        .take_while(|byte| scan::in_word(**byte) || matches!(byte, b'-' | b'.'))
        .count();
    length > 0 && text.get(length) == Some(&b'=')
}

/// Returns the text inside the quotation marks that open after `before` bytes, which are empty,
/// `\`, `b` or `Some(`. The closing mark follows as many backslashes as the opening one.
fn quoted(text: &[u8], before: usize) -> Option<Range<usize>> {
    let opener = text.get(..before)?;
    if !(opener.ends_with(b"(") || opener.iter().all(|byte| b"bBrRuUfF".contains(byte))) {
        return None;
    }
    let slashes = text.get(before..)?.iter().take_while(|byte| **byte == b'\\').count();
    let mark = text.get(before + slashes).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
    let from = before + slashes + 1;
    let inside = text.get(from..)?;
    let length = closing(inside, *mark, slashes).unwrap_or_else(|| scan::value_length(inside));
    Some(from..from + length)
}

/// Returns the end of `text` that was opened by `mark` after `slashes` backslashes.
fn closing(text: &[u8], mark: u8, slashes: usize) -> Option<usize> {
    let mut escapes = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte == b'\\' {
            escapes += 1;
            continue;
        }
        // In a text without escaped quotation marks, two backslashes are one.
        if *byte == mark && (escapes <= slashes || slashes == 0 && escapes % 2 == 0) {
            return Some(at - escapes.min(slashes));
        }
        escapes = 0;
    }
    None
}
