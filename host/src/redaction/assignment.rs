//! `NAME=value`, `name: value`, `"name": "value"`: secrets that are known by their names.

use super::scan::{self, Hit};

/// Variables of the platform.
const PREFIXES: [&[u8]; 5] = [b"AWS_", b"MLFLOW_", b"RABBIT_", b"KEYNET_", b"TRITON_"];

/// Words that a secret's name ends in, and their labels.
const WORDS: [(&[u8], &str); 6] = [
    (b"password", "PASSWORD"),
    (b"secret", "SECRET"),
    (b"token", "TOKEN"),
    (b"apikey", "KEY"),
    (b"key", "KEY"),
    (b"authorization", "AUTHORIZATION"),
];

/// Names are looked at no further back than this.
const MAX_NAME: usize = 128;

/// Schemes of HTTP's authentication, which stand before the value.
const SCHEMES: [&[u8]; 2] = [b"bearer", b"basic"];

/// Whether `text` ends in the name of a scheme, behind which the secret stands.
pub(super) fn ends_in_scheme(text: &[u8]) -> bool {
    SCHEMES.iter().any(|known| {
        let end = text.len().checked_sub(known.len()).and_then(|start| text.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(known))
    })
}

/// A shorter value is none.
const MIN_VALUE: usize = 3;

/// How this module's own marks begin, and how far a value that begins so is read. A value that was replaced before is left as it is, so
/// every byte of it may be read again for the next `=`: without a bound, a line of marks would cost the square of its length.
const MARK: &[u8] = b"***";
const MAX_MARKED: usize = 256;

/// The value that is assigned by the `=` or `:` at `at`, to a name that begins at or after `floor`.
pub(super) fn at(line: &[u8], floor: usize, at: usize) -> Option<Hit> {
    if at == floor || !may_end_name(*line.get(at - 1)?) {
        return None;
    }
    let separator = *line.get(at)?;
    let following = line.get(at + 1..)?;
    let beside_colon = following.first() == Some(&b':') || (at > floor && line.get(at - 1) == Some(&b':'));
    if separator == b':' && (beside_colon || following.starts_with(b"//")) {
        return None;
    }
    let name = Name::before(line.get(floor.max(at.saturating_sub(MAX_NAME))..at)?)?;
    let label = name.label(separator)?;
    // `:=`, `==` and `=>` separate too.
    let doubled = usize::from(matches!(following.first(), Some(b'=' | b'>')));
    let from = at + 1 + doubled;
    let value = value(line.get(from..)?, name.quoted)?;
    if separator == b':' && name.in_sentence && is_word(line.get(from..)?, &value) {
        return None;
    }
    if names_another(line.get(from..)?, &value) {
        return None;
    }
    Some(Hit::new(from + value.start, from + value.end, label))
}

/// Whether a name that is looked for, or what may stand behind it, ends in this byte: most `=` and `:` need no second look.
fn may_end_name(byte: u8) -> bool {
    let of_word = matches!(byte | 0x20, b'd' | b't' | b'n' | b'y');
    let of_variable = byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    of_word || of_variable || matches!(byte, b'"' | b'\'' | b'm') || byte.is_ascii_whitespace()
}

/// Whether a value is a word of an ordinary sentence, which goes on after `invalid token: `.
fn is_word(text: &[u8], value: &std::ops::Range<usize>) -> bool {
    const LONGEST: usize = 12;
    let spaced = value.start > 0 && text.get(..value.start).is_some_and(|before| before.iter().all(|byte| *byte == b' '));
    let lower = text.get(value.clone()).is_some_and(|word| word.len() <= LONGEST && word.iter().all(u8::is_ascii_lowercase));
    spaced && lower && text.get(value.end).is_none_or(|after| matches!(after, b' ' | b',' | b';' | b'\n'))
}

/// Whether a value is itself the name of a secret that follows: `PASSWORD= TOKEN='abc'`, `password: token = abc`. The first has no value
/// then; the second is found by its own separator, and only as long as its name is not hidden.
fn names_another(text: &[u8], value: &std::ops::Range<usize>) -> bool {
    const NEAR: usize = 64;
    let separates = |byte: &u8| matches!(byte, b'=' | b':');
    let quotes = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`' | b'\\');
    let (Some(value), Some(after)) = (text.get(value.clone()), text.get(value.end..)) else { return false };
    let length = value.len() - value.iter().rev().take_while(|byte| separates(byte)).count();
    let Some(word) = value.get(..length).filter(|word| word.len() <= MAX_NAME) else { return false };
    let following = after.iter().take(NEAR).find(|byte| !quotes(byte) && !byte.is_ascii_whitespace());
    let assigned = if length < value.len() { after.first().is_some_and(quotes) } else { following.is_some_and(separates) };
    let named = word.iter().all(|byte| scan::in_word(*byte) || matches!(byte, b'-' | b'.'));
    assigned && named && Name { text: word, quoted: false, in_sentence: false }.label(b'=').is_some()
}

struct Name<'a> {
    text: &'a [u8],
    /// It stood between quotation marks, as in JSON.
    quoted: bool,
    /// It is `key` or `token`, after another word: `invalid token: …`.
    in_sentence: bool,
}

impl<'a> Name<'a> {
    /// The name at the end of `text`, less spaces, colours and a quotation mark.
    fn before(text: &'a [u8]) -> Option<Self> {
        let text = trim_end(text);
        let unquoted = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'"));
        let quoted = unquoted.is_some();
        let mut text = unquoted.unwrap_or(text);
        while let Some(rest) = text.strip_suffix(b"\\") {
            text = rest;
        }
        let length = text.iter().rev().take_while(|byte| scan::in_word(**byte) || matches!(byte, b'-' | b'.')).count();
        let (before, mut text) = text.split_at(text.len() - length);
        if before.ends_with(b"\x1b[") {
            // The end of a colour is no part of the name.
            text = text.get(text.iter().position(|byte| *byte == b'm')? + 1..)?;
        }
        let bare = !quoted && (text == b"key" || text == b"token");
        let in_sentence = bare && matches!(before, [.., word, b' '] if word.is_ascii_lowercase());
        (!text.is_empty()).then_some(Self { text, quoted, in_sentence })
    }

    fn label(&self, separator: u8) -> Option<&'static str> {
        if self.is_variable() {
            return Some("ENV_VAR");
        }
        WORDS.into_iter().find(|(word, _)| self.ends_in(word, separator)).map(|(_, label)| label)
    }

    fn is_variable(&self) -> bool {
        if !self.text.contains(&b'_') {
            return false;
        }
        let capital = |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_';
        let length = self.text.iter().rev().take_while(capital).count();
        let name = self.text.get(self.text.len() - length..).unwrap_or_default();
        let begins = |prefix: &[u8]| name.windows(prefix.len() + 1).any(|part| part.starts_with(prefix));
        name.ends_with(b"APP_API_KEY") || PREFIXES.into_iter().any(begins)
    }

    /// Whether its last part is `word`: parts are set off by `_`, `-`, `.` or a capital letter. `monkey` has one part.
    fn ends_in(&self, word: &[u8], separator: u8) -> bool {
        let Some(start) = self.text.len().checked_sub(word.len()) else { return false };
        let (before, part) = self.text.split_at(start);
        if !part.eq_ignore_ascii_case(word) {
            return false;
        }
        match before.last() {
            None | Some(b'_' | b'-') => true,
            // A file called `signing.key`, in a message that goes on after a colon.
            Some(b'.') => separator == b'=' || word != b"key",
            Some(byte) => part.first().is_some_and(u8::is_ascii_uppercase) && !byte.is_ascii_uppercase(),
        }
    }
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_end();
        match text.strip_suffix(b"m").and_then(before_colour) {
            Some(rest) => text = rest,
            None => return text,
        }
    }
}

/// `text` less the beginning of a terminal's colour, `ESC [ digits`, at its end.
fn before_colour(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit() || **byte == b';').take(16).count();
    text.get(..text.len() - digits)?.strip_suffix(b"\x1b[")
}

/// How many bytes of spaces and colours `text` begins with.
fn leading(text: &[u8]) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        let colour = rest.strip_prefix(b"\x1b[").and_then(|rest| {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
            rest.get(digits..)?.strip_prefix(b"m")
        });
        match colour {
            Some(after) => rest = after,
            None => return text.len() - rest.len(),
        }
    }
}

/// Where the value is that `text` begins with.
fn value(text: &[u8], in_json: bool) -> Option<std::ops::Range<usize>> {
    let mut start = leading(text);
    let text = bounded(text, start);
    let mut length = unquoted(text.get(start..)?, in_json);
    // `Authorization: Bearer …`
    let scheme = text.get(start..start + length)?;
    if SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        let next = start + length + leading(text.get(start + length..)?);
        let text = bounded(text, next);
        let following = unquoted(text.get(next..)?, in_json);
        if following > 0 {
            (start, length) = (next, following);
        }
    }
    let text = bounded(text, start);
    let rest = text.get(start..)?;
    let value = match quoted(rest, length) {
        Some(inside) => start + inside.start..start + inside.end,
        None => start..start + length,
    };
    let secret = text.get(value.clone())?;
    let known = secret.starts_with(MARK) || [&b"true"[..], b"false", b"null", b"None", b"none"].contains(&secret);
    (secret.len() >= MIN_VALUE && !known).then_some(value)
}

/// Returns `text`, cut [`MAX_MARKED`] bytes after `start` if a mark stands there, alone or in quotation marks.
fn bounded(text: &[u8], start: usize) -> &[u8] {
    let value = text.get(start..).unwrap_or_default();
    let inside = value.iter().position(|byte| !matches!(byte, b'\\' | b'"' | b'\'' | b'`')).unwrap_or(value.len());
    if value.get(inside..).is_some_and(|inside| inside.starts_with(MARK)) {
        text.get(..start + inside + MAX_MARKED).unwrap_or(text)
    } else {
        text
    }
}

/// How long a value is that stands between no quotation marks.
fn unquoted(text: &[u8], in_json: bool) -> usize {
    let length = scan::value_length(text);
    let text = text.get(..length).unwrap_or(text);
    let end = |byte: &u8| in_json && matches!(byte, b',' | b'}' | b']');
    let length = text.iter().position(end).unwrap_or(length);
    // `\"` ends it as `"` does, and a comma goes on with the sentence.
    length - text.get(..length).unwrap_or_default().iter().rev().take_while(|byte| matches!(byte, b'\\' | b',' | b';')).count()
}

/// Inside the quotation marks that open after `before` bytes, which are nothing, `\`, `b` or `Some(`, up to those that close.
fn quoted(text: &[u8], before: usize) -> Option<std::ops::Range<usize>> {
    let opener = text.get(..before)?;
    if !(opener.ends_with(b"(") || opener.iter().all(|byte| b"bBrRuUfF".contains(byte))) {
        return None;
    }
    let slashes = text.get(before..)?.iter().take_while(|byte| **byte == b'\\').count();
    let mark = text.get(before + slashes).filter(|byte| matches!(byte, b'"' | b'\'' | b'`'))?;
    let from = before + slashes + 1;
    let inside = text.get(from..)?;
    let length = inside.iter().position(|byte| byte == mark).unwrap_or_else(|| scan::value_length(inside));
    let inside = inside.get(..length)?;
    let slashes = inside.iter().rev().take_while(|byte| **byte == b'\\').count();
    Some(from..from + length - slashes)
}
