//! Whether a value looks like a secret, given what its name says about it.

use super::names::Kind;

/// So much of a value is looked at. A longer one is judged by its beginning.
pub(super) const LOOKED_AT: usize = 64;

/// A shorter value is no secret.
pub(super) const SHORTEST: usize = 3;

/// A word of an ordinary sentence has no more letters.
const LONGEST_WORD: usize = 12;

/// Values that stand for one, or for none.
const PLACEHOLDERS: [&[u8]; 22] = [
    b"true",
    b"false",
    b"null",
    b"none",
    b"nil",
    b"undefined",
    b"yes",
    b"no",
    b"empty",
    b"unset",
    b"missing",
    b"required",
    b"optional",
    b"invalid",
    b"expired",
    b"wrong",
    b"redacted",
    b"hidden",
    b"string",
    b"changed",
    b"denied",
    b"rejected",
];

/// The characters of a value.
#[derive(Debug, Default)]
struct Letters {
    length: usize,
    lower: usize,
    upper: usize,
    digits: usize,
    others: usize,
    spaces: usize,
    slashes: usize,
    dots: usize,
}

impl Letters {
    fn of(value: &[u8]) -> Self {
        let mut letters = Self { length: value.len(), ..Self::default() };
        for byte in value {
            let count = match byte {
                b'a'..=b'z' => &mut letters.lower,
                b'A'..=b'Z' => &mut letters.upper,
                b'0'..=b'9' => &mut letters.digits,
                b' ' | b'\t' => &mut letters.spaces,
                b'/' => &mut letters.slashes,
                b'.' => &mut letters.dots,
                _ => &mut letters.others,
            };
            *count += 1;
        }
        letters
    }

    fn is_mixed(&self) -> bool {
        self.lower > 0 && self.upper > 0 && self.digits > 0
    }

    fn has_letters_and_digits(&self) -> bool {
        self.digits > 0 && self.lower + self.upper > 0
    }
}

/// Whether `value` is a secret, assigned to a name of the kind `kind`. `in_sentence`: behind a
/// colon, without quotation marks.
pub(super) fn is_secret(value: &[u8], kind: Kind, in_sentence: bool) -> bool {
    let value = value.get(..LOOKED_AT).unwrap_or(value);
    let value = if in_sentence { without_stop(value) } else { value };
    if value.len() < SHORTEST || is_placeholder(value) {
        return false;
    }
    let letters = Letters::of(value);
    match kind {
        Kind::Password => !in_sentence || !is_word(value, &letters),
        Kind::Variable => !is_place(value),
        Kind::Secret | Kind::Authorization => is_made(value, &letters),
        Kind::Token => is_token(value, &letters),
        Kind::Key => {
            letters.length >= 20
                && letters.slashes + letters.dots == 0
                && is_token(value, &letters)
                && letters.is_mixed()
        }
    }
}

/// Whether what follows a scheme of HTTP's authentication is a credential.
pub(super) fn is_credential(value: &[u8]) -> bool {
    let value = without_stop(value.get(..LOOKED_AT).unwrap_or(value));
    value.len() >= SHORTEST && !is_placeholder(value) && !is_word(value, &Letters::of(value))
}

/// Whether a program made `value`: it has letters and digits, and is neither a place nor made of
/// words.
fn is_made(value: &[u8], letters: &Letters) -> bool {
    if letters.spaces > 0 || is_place(value) || is_made_of_words(value) {
        return false;
    }
    // A path, not base64.
    if letters.slashes > 0 && (letters.dots > 0 || !letters.is_mixed()) {
        return false;
    }
    letters.length >= 6 && letters.has_letters_and_digits()
        || letters.length >= 12 && letters.lower > 0 && letters.upper > 2
        || letters.length >= 24 && letters.lower + letters.upper == letters.length
}

/// Whether `value` is a token that lets in: long, and of too many kinds of characters for a word.
fn is_token(value: &[u8], letters: &Letters) -> bool {
    let plain = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'.' | b'+' | b'/' | b'=' | b'~' | b'%')
    };
    let long = letters.length >= 12 && letters.is_mixed()
        || letters.length >= 16 && letters.has_letters_and_digits();
    long && value.iter().all(plain) && is_made(value, letters)
}

/// A word of an ordinary sentence: `the password: correct`.
fn is_word(value: &[u8], letters: &Letters) -> bool {
    let capital = usize::from(value.first().is_some_and(u8::is_ascii_uppercase));
    letters.length <= LONGEST_WORD && letters.lower + capital == letters.length
}

/// The name or the place of something: `db-credentials`, `my_secret_v2`, `example.com`.
fn is_made_of_words(value: &[u8]) -> bool {
    let word = |part: &[u8]| {
        let letters = part.strip_prefix(b"v").filter(|rest| !rest.is_empty()).unwrap_or(part);
        let number = letters.len() <= 3 && letters.iter().all(u8::is_ascii_digit);
        let name = part.len() <= 16
            && part.iter().all(u8::is_ascii_alphabetic)
            && !part.iter().skip(1).any(u8::is_ascii_uppercase);
        number || name
    };
    let parts = || value.split(|byte| matches!(byte, b'-' | b'_' | b'.' | b'/' | b':' | b'@'));
    parts().count() > 1 && parts().all(word)
}

/// A path or a URL.
fn is_place(value: &[u8]) -> bool {
    value.starts_with(b"/")
        || value.starts_with(b"./")
        || value.starts_with(b"../")
        || value.starts_with(b"~/")
        || contains(value, b"://")
}

/// Whether a value stands for another, or for none: `${TOKEN}`, `<token>`, `xxxx`, `null`.
fn is_placeholder(value: &[u8]) -> bool {
    let first = value.first().copied().unwrap_or_default();
    let stands = matches!(first, b'<' | b'{' | b'[')
        || value.starts_with(b"***")
        || first == b'%' && value.len() <= 3;
    let variable = first == b'$'
        && value
            .get(1)
            .is_some_and(|next| *next == b'{' || *next == b'(' || next.is_ascii_uppercase());
    let repeated = value.iter().all(|byte| *byte == first);
    stands
        || variable
        || repeated
        || PLACEHOLDERS.iter().any(|known| value.eq_ignore_ascii_case(known))
}

fn without_stop(value: &[u8]) -> &[u8] {
    let stops = value
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b'!' | b'?' | b')' | b',' | b';' | b':'))
        .count();
    value.get(..value.len() - stops).unwrap_or(value)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
