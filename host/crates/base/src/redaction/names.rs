//! Names that secrets are assigned to, and how much a name says about its value.

use super::scan;

/// What a name says about its value. No name is enough: the value decides, see [`super::value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `password` and the like: people choose the value, so that it may look like any word.
    Password,
    /// `AWS_SECRET_ACCESS_KEY`, `API_TOKEN`: a variable of an environment that holds a secret.
    Variable,
    /// `client_secret`, `apiKey`, `access-token`: a program made the value.
    Secret,
    /// `token`: also the word of a language model's input, and the place where a list goes on.
    Token,
    /// `key`: mostly that of an object, a cache or a table.
    Key,
    /// `Authorization`: a scheme and a credential.
    Authorization,
}

/// A name of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) kind: Kind,
    pub(super) label: &'static str,
}

/// Words that a name ends in.
const WORDS: [(&[u8], Kind, &str); 12] = [
    (b"password", Kind::Password, "PASSWORD"),
    (b"passwd", Kind::Password, "PASSWORD"),
    (b"passphrase", Kind::Password, "PASSWORD"),
    (b"pwd", Kind::Password, "PASSWORD"),
    (b"secret", Kind::Secret, "SECRET"),
    (b"apikey", Kind::Secret, "KEY"),
    (b"secretkey", Kind::Secret, "KEY"),
    (b"auth", Kind::Secret, "AUTHORIZATION"),
    (b"authtoken", Kind::Secret, "TOKEN"),
    (b"token", Kind::Token, "TOKEN"),
    (b"key", Kind::Key, "KEY"),
    (b"authorization", Kind::Authorization, "AUTHORIZATION"),
];

/// Words before `key` and `token` that make a secret of it.
const OF_SECRETS: [&[u8]; 26] = [
    b"access",
    b"account",
    b"api",
    b"app",
    b"auth",
    b"bearer",
    b"bot",
    b"client",
    b"deploy",
    b"encryption",
    b"hmac",
    b"identity",
    b"id",
    b"master",
    b"oauth",
    b"private",
    b"refresh",
    b"registry",
    b"secret",
    b"security",
    b"service",
    b"session",
    b"shared",
    b"signing",
    b"storage",
    b"upload",
];

/// Returns what `name` says; `None` if it is no name of a secret.
pub(super) fn named(name: &[u8]) -> Option<Named> {
    let (before, kind, label) = WORDS
        .into_iter()
        .find_map(|(word, kind, label)| Some((without(name, word)?, kind, label)))?;
    let kind = match kind {
        Kind::Token | Kind::Key if of_secrets(before, label) => Kind::Secret,
        kind => kind,
    };
    let kind = if kind == Kind::Secret && is_variable(name) { Kind::Variable } else { kind };
    Some(Named { kind, label })
}

fn of_secrets(before: &[u8], label: &str) -> bool {
    let before = before
        .strip_suffix(b"_")
        .or_else(|| before.strip_suffix(b"-"))
        .or_else(|| before.strip_suffix(b"."))
        .unwrap_or(before);
    // `id_key` is the key that something is found by.
    OF_SECRETS
        .into_iter()
        .any(|word| (word != b"id" || label == "TOKEN") && without(before, word).is_some())
}

/// Whether it is the name of a variable of an environment: `DB_SECRET`.
fn is_variable(name: &[u8]) -> bool {
    name.contains(&b'_')
        && name
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
}

/// Returns `name` less its last part if that is `word`. Parts are set off by `_`, `-`, `.` or a
/// capital letter: `monkey` has one part.
fn without<'a>(name: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (before, part) = name.split_at(name.len().checked_sub(word.len())?);
    if !part.eq_ignore_ascii_case(word) {
        return None;
    }
    let set_off = match before.last() {
        None | Some(b'_' | b'-' | b'.') => true,
        Some(byte) => {
            part.first().is_some_and(u8::is_ascii_uppercase) && !byte.is_ascii_uppercase()
        }
    };
    set_off.then_some(before)
}

/// Whether a name that is looked for, or what may stand behind it, ends in this byte: most `=` and
/// `:` need no second look.
pub(super) fn may_end(byte: u8) -> bool {
    matches!(byte | 0x20, b'd' | b't' | b'n' | b'y' | b'e' | b'h')
        || matches!(byte, b'"' | b'\'' | b'm')
        || byte.is_ascii_whitespace()
}

/// The name at the end of a text, less spaces, colours and a quotation mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) text: &'a [u8],
    /// Whether it stood between quotation marks, as in JSON.
    pub(super) quoted: bool,
    /// Whether these were escaped, as in JSON that is a string of JSON.
    pub(super) escaped: bool,
    /// Whether it is the last part of a path: `team/upload-token`.
    pub(super) in_path: bool,
}

impl<'a> Name<'a> {
    /// Reads the name at the end of `text`.
    pub(super) fn before(text: &'a [u8]) -> Option<Self> {
        let text = trim_end(text);
        let unquoted = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'"));
        let quoted = unquoted.is_some();
        let mut text = unquoted.unwrap_or(text);
        let escaped = text.ends_with(b"\\");
        while let Some(rest) = text.strip_suffix(b"\\") {
            text = rest;
        }
        let length = text
            .iter()
            .rev()
            .take_while(|byte| scan::in_word(**byte) || matches!(byte, b'-' | b'.'))
            .count();
        let (before, mut text) = text.split_at(text.len() - length);
        if before.ends_with(b"\x1b[") {
            // The end of a colour is no part of the name.
            text = text.get(text.iter().position(|byte| *byte == b'm')? + 1..)?;
        }
        (!text.is_empty()).then_some(Self {
            text,
            quoted,
            escaped,
            in_path: before.ends_with(b"/"),
        })
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
    let digits = text
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b';')
        .take(16)
        .count();
    text.get(..text.len() - digits)?.strip_suffix(b"\x1b[")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_much_its_value_must_show() {
        for (name, kind) in [
            ("DB_PASSWORD", Some(Kind::Password)),
            ("userPassword", Some(Kind::Password)),
            ("AWS_SECRET_ACCESS_KEY", Some(Kind::Variable)),
            ("APP_API_KEY", Some(Kind::Variable)),
            ("client_secret", Some(Kind::Secret)),
            ("apiKey", Some(Kind::Secret)),
            ("x-api-key", Some(Kind::Secret)),
            ("spring.api.key", Some(Kind::Secret)),
            ("accessToken", Some(Kind::Secret)),
            ("id_token", Some(Kind::Secret)),
            ("AccountKey", Some(Kind::Secret)),
            ("primary_key", Some(Kind::Key)),
            ("PRIMARY_KEY", Some(Kind::Key)),
            ("id_key", Some(Kind::Key)),
            ("next_token", Some(Kind::Token)),
            ("Proxy-Authorization", Some(Kind::Authorization)),
            ("monkey", None),
            ("keys", None),
            ("tokens", None),
            ("AWS_REGION", None),
            ("KEYNET_WIDTH", None),
        ] {
            assert_eq!(named(name.as_bytes()).map(|named| named.kind), kind, "{name}");
        }
    }
}
