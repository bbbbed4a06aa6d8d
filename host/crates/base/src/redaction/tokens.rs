//! Words that are secrets by their own form, independent of a name.

use super::scan::{Hit, in_word};

/// Prefixes of tokens of well-known services, with the minimum length of the rest.
const PREFIXES: [(&[u8], usize, &str); 30] = [
    (b"ghp_", 30, "TOKEN"),
    (b"gho_", 30, "TOKEN"),
    (b"ghu_", 30, "TOKEN"),
    (b"ghs_", 30, "TOKEN"),
    (b"ghr_", 30, "TOKEN"),
    (b"github_pat_", 30, "TOKEN"),
    (b"glpat-", 20, "TOKEN"),
    (b"xoxa-", 20, "TOKEN"),
    (b"xoxb-", 20, "TOKEN"),
    (b"xoxp-", 20, "TOKEN"),
    (b"xoxr-", 20, "TOKEN"),
    (b"xoxs-", 20, "TOKEN"),
    (b"xapp-", 20, "TOKEN"),
    (b"sk-ant-", 20, "KEY"),
    (b"sk-proj-", 20, "KEY"),
    (b"sk-", 32, "KEY"),
    (b"sk_live_", 16, "KEY"),
    (b"sk_test_", 16, "KEY"),
    (b"rk_live_", 16, "KEY"),
    (b"hf_", 30, "TOKEN"),
    (b"npm_", 30, "TOKEN"),
    (b"pypi-", 30, "TOKEN"),
    (b"dckr_pat_", 20, "TOKEN"),
    (b"dop_v1_", 32, "TOKEN"),
    (b"nvapi-", 30, "KEY"),
    (b"AIza", 35, "KEY"),
    (b"ya29.", 20, "TOKEN"),
    (b"shpat_", 30, "TOKEN"),
    (b"hvs.", 24, "TOKEN"),
    (b"AGE-SECRET-KEY-1", 40, "KEY"),
];

/// Returns the secret if the word that begins at `at` is one.
pub(super) fn at(line: &[u8], at: usize) -> Option<Hit> {
    let rest = line.get(at..)?;
    let whole = |(length, label)| Hit::new(at, at + length, label);
    // A hyphen is part of most tokens: if the scan started after each hyphen, the rest of a token
    // would be read again and again.
    let begins = at.checked_sub(1).and_then(|before| line.get(before)) != Some(&b'-');
    match rest.first()? {
        b'A' if rest.starts_with(b"AKIA") || rest.starts_with(b"ASIA") => {
            access_key(rest).map(whole)
        }
        b'K' | b'T' if begins => platform(rest).map(whole),
        b'e' if begins && rest.starts_with(b"eyJ") => jwt(rest).map(whole),
        b'B' | b'b' => {
            credential(rest).map(|(from, to)| Hit::new(at + from, at + to, "AUTHORIZATION"))
        }
        b'A' | b'd' | b'g' | b'h' | b'n' | b'p' | b'r' | b's' | b'x' | b'y' if begins => {
            service(rest).map(whole)
        }
        _ => None,
    }
    .or_else(|| secret_access_key(line, at).map(whole))
}

/// Matches the id of an AWS access key.
fn access_key(rest: &[u8]) -> Option<(usize, &'static str)> {
    let id = rest.get(4..)?;
    let length = id.iter().take(17).take_while(|byte| in_word(**byte)).count();
    let plain = id.get(..16)?.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (length == 16 && plain).then_some((20, "AWS_KEY"))
}

/// Matches a secret key of AWS: a separate word of 40 base64 characters of all kinds. The
/// hexadecimal digits of a commit have no capital letter.
fn secret_access_key(line: &[u8], at: usize) -> Option<(usize, &'static str)> {
    const LENGTH: usize = 40;
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    // Adjacent characters make it a part of a longer text.
    let beside = |byte: &u8| of_key(byte) || matches!(byte, b'_' | b'-' | b'.' | b'=' | b'%');
    let before = at.checked_sub(1).and_then(|before| line.get(before));
    let key = line.get(at..at + LENGTH)?;
    if before.is_some_and(|byte| beside(byte) && *byte != b'=')
        || line.get(at + LENGTH).is_some_and(beside)
        || !key.iter().all(of_key)
    {
        return None;
    }
    let count = |wanted: fn(&u8) -> bool| key.iter().filter(|byte| wanted(byte)).count();
    let (upper, lower, digits) =
        (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase), count(u8::is_ascii_digit));
    // Words and paths have long runs of lower-case letters.
    let words = key.windows(7).any(|part| part.iter().all(u8::is_ascii_lowercase));
    (upper >= 5 && lower >= 5 && digits >= 1 && !words).then_some((LENGTH, "AWS_SECRET"))
}

/// Matches a credential of the Keynet platform: `KEYNET_…` and `TRITON_…`.
fn platform(rest: &[u8]) -> Option<(usize, &'static str)> {
    let (prefix, label) = match rest.first() {
        Some(b'K') => (&b"KEYNET_"[..], "KEYNET_KEY"),
        _ => (&b"TRITON_"[..], "TRITON_KEY"),
    };
    let word = rest.strip_prefix(prefix)?;
    let word =
        word.get(..word.iter().take_while(|byte| in_word(**byte) || **byte == b'-').count())?;
    // KEYNET_LOGS and TRITON_V2 are names of variables.
    let name =
        word.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    let name = name && word.first().is_none_or(u8::is_ascii_uppercase);
    let made = word.iter().any(u8::is_ascii_digit);
    (!name && made).then_some((prefix.len() + word.len(), label))
}

/// Matches a JSON Web Token: three parts in base64url, of which the first two are JSON objects.
fn jwt(rest: &[u8]) -> Option<(usize, &'static str)> {
    let part = |from: usize| {
        rest.get(from..)
            .map(|rest| rest.iter().take_while(|byte| in_word(**byte) || **byte == b'-').count())
    };
    let first = part(0).filter(|length| *length >= 10)?;
    let second = first + 1;
    let object = rest.get(first) == Some(&b'.') && rest.get(second..)?.starts_with(b"eyJ");
    let end = second + part(second).filter(|_| object)?;
    let third = if rest.get(end) == Some(&b'.') { 1 + part(end + 1)? } else { 0 };
    Some((end + third, "JWT"))
}

/// Matches a token of a well-known service.
fn service(rest: &[u8]) -> Option<(usize, &'static str)> {
    let (prefix, least, label) = PREFIXES.iter().find(|(prefix, ..)| rest.starts_with(prefix))?;
    let word = rest.get(prefix.len()..)?;
    let length = word.iter().take_while(|byte| in_word(**byte) || **byte == b'-').count();
    let made = word.get(..length)?.iter().any(u8::is_ascii_digit);
    (length >= *least && made).then_some((prefix.len() + length, label))
}

/// Matches `Bearer …` anywhere: returns the beginning and the end of the credential.
fn credential(rest: &[u8]) -> Option<(usize, usize)> {
    const SHORTEST: usize = 16;
    const SCHEME: &[u8] = b"Bearer ";
    let scheme = rest.get(..SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let of_token =
        |byte: &u8| in_word(*byte) || matches!(byte, b'-' | b'.' | b'~' | b'+' | b'/' | b'=');
    let token = rest.get(SCHEME.len()..)?;
    let token = token.get(..token.iter().take_while(|byte| of_token(byte)).count())?;
    let made = token.iter().any(u8::is_ascii_digit) && token.iter().any(u8::is_ascii_alphabetic);
    (token.len() >= SHORTEST && made).then_some((SCHEME.len(), SCHEME.len() + token.len()))
}
