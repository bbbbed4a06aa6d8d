//! Fuzzing of redaction; see [`crate::fuzzing`].

use std::time::{Duration, Instant};

use super::{Redactor, cut, redact, redact_bytes};
use crate::fuzzing::text;

const SECRET: &str = "q7Zk2LwPx9Vd";

/// Contexts of a secret in a line: the text before and after it.
const FORMS: [(&str, &str); 10] = [
    ("password=", ""),
    ("DB_PASSWORD = ", ""),
    ("api_token: \"", "\""),
    ("\"secret\": \"", "\","),
    ("AWS_SECRET_ACCESS_KEY='", "'"),
    ("Authorization: Bearer ", ""),
    ("https://user:", "@host/path"),
    ("{\\\"accessToken\\\":\\\"", "\\\"}"),
    ("token: Some(\"", "\")"),
    ("KEYNET_", ""),
];

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Fuzzes redaction with a secret in a context. The input is a byte for the context, one for the
/// position, and the surrounding text. Checks that the secret is hidden in any surrounding text,
/// whole or at the cut of a long line; that the number of lines is unchanged; and that UTF-8 stays
/// UTF-8.
pub fn redaction(data: &[u8]) {
    let redacted = redact_bytes(data);
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(&redacted), lines(data));
    if let Some(text) = text(data) {
        assert_eq!(redact(text).as_bytes(), &*redacted, "text that is no text any more");
    }
    let [form, place, around @ ..] = data else { return };
    let Some((before, after)) = FORMS.get(usize::from(*form) % FORMS.len()) else { return };
    if contains(around, SECRET.get(..4).unwrap_or_default()) {
        return;
    }
    let (left, right) = around.split_at(around.len() * usize::from(*place) / 255);
    let planted =
        [left, b" ", before.as_bytes(), SECRET.as_bytes(), after.as_bytes(), b" ", right].concat();
    let redacted = redact_bytes(&planted);
    assert!(!contains(&redacted, SECRET), "{}", String::from_utf8_lossy(&redacted));
    let mut redactor = Redactor::default();
    for line in planted.split(|byte| *byte == b'\n') {
        // An incomplete line is cut at a good position, if it has one: a word of 64 KiB is split at
        // the end of its buffer.
        let so_far = line.get(..line.len() * usize::from(*form) / 255).unwrap_or(line);
        let good = Some(so_far)
            .filter(|so_far| !so_far.is_empty())
            .map(cut)
            .filter(|at| *at < so_far.len());
        let (first, second) = line.split_at(good.unwrap_or(0));
        let redacted = [redactor.piece(first, false), redactor.piece(second, true)].concat();
        assert!(
            !contains(&redacted, SECRET),
            "{} | {}",
            String::from_utf8_lossy(first),
            String::from_utf8_lossy(second)
        );
    }
}

/// Fuzzes the time of redaction, with the input repeated up to 128 KiB: work that is quadratic in
/// the length of a line would take minutes.
pub fn redaction_work(data: &[u8]) {
    const LENGTH: usize = 128 << 10;
    let unit = data.get(..64).unwrap_or(data);
    let text = unit.repeat(LENGTH / unit.len().max(1));
    let started = Instant::now();
    redact_bytes(&text);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?} for {} bytes", text.len());
}
