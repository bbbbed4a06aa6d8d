//! Removal of credentials from what is recorded.
//!
//! A URL whose query has a signature, a token or a key gets stars for the values of its query, of
//! the same length: the text stays a URL, sizes stay the same, and an action that gets the masked
//! URL in a replay does with it what it did with the real one.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use keynet_base::redaction::redact;
use keynet_object_storage::Location;
use url::Url;

/// Queries that are remembered, to be found in data that an action writes.
const REMEMBERED: usize = 4096;

/// Names of query parameters that hold credentials, or their last words.
const NAMES: [&str; 10] = [
    "signature",
    "sig",
    "token",
    "key",
    "apikey",
    "secret",
    "password",
    "credential",
    "auth",
    "jwt",
];

/// Beginnings of such names.
const FAMILIES: [&str; 2] = ["x-amz-", "x-goog-"];

/// Mask of the signatures that one activation met.
#[derive(Debug, Default)]
pub(super) struct Veil {
    /// Queries as they stand in URLs, and as JSON and HTML escape them.
    queries: Mutex<Vec<String>>,
}

impl Veil {
    /// Returns the text of a location, masked, and remembers its signature.
    pub(super) fn location(&self, location: &Location) -> String {
        match location {
            Location::Url(url) => self.url(url),
            other => other.to_string(),
        }
    }

    /// Returns the text of a URL, masked, and remembers its signature.
    pub(super) fn url(&self, url: &Url) -> String {
        self.text(url.as_str()).into_owned()
    }

    /// Returns `text` with all its signed URLs masked, and remembers their signatures.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked: Option<String> = None;
        let mut done = 0;
        for (at, _) in text.match_indices("://") {
            let before = text.get(..at).unwrap_or_default();
            if at < done || !(before.ends_with("http") || before.ends_with("https")) {
                continue;
            }
            let rest = text.get(at..).unwrap_or_default();
            let url = rest.get(..rest.find(ends_url).unwrap_or(rest.len())).unwrap_or_default();
            let Some((base, query)) = url.split_once('?') else { continue };
            if !is_signed(query) {
                continue;
            }
            self.remember(query);
            let start = at + base.len() + 1;
            let target = masked.get_or_insert_with(|| String::with_capacity(text.len()));
            target.push_str(text.get(done..start).unwrap_or_default());
            target.push_str(&mask(query));
            done = start + query.len();
        }
        match masked {
            Some(mut masked) => {
                masked.push_str(text.get(done..).unwrap_or_default());
                Cow::Owned(masked)
            }
            None => Cow::Borrowed(text),
        }
    }

    /// Returns valid JSON without signatures and other secrets.
    pub(super) fn json(&self, json: &str) -> String {
        redact(&self.signed_json(json)).into_owned()
    }

    /// Returns valid JSON without signatures.
    pub(super) fn signed_json(&self, json: &str) -> String {
        json_strings(json, |text| match self.text(text) {
            Cow::Owned(masked) => Some(masked),
            Cow::Borrowed(_) => None,
        })
    }

    /// Returns a message without signatures and other secrets.
    pub(super) fn message(&self, message: &str) -> String {
        redact(&self.text(message)).into_owned()
    }

    /// Returns `data` with the remembered signatures masked.
    pub(super) fn data<'a>(&self, data: &'a [u8]) -> Cow<'a, [u8]> {
        let queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if queries.is_empty() {
            return Cow::Borrowed(data);
        }
        let mut masked: Option<Vec<u8>> = None;
        let marks = data.iter().enumerate().filter(|(_, byte)| **byte == b'?');
        for start in marks.map(|(at, _)| at + 1) {
            let rest = data.get(start..).unwrap_or_default();
            let Some(query) = queries.iter().find(|query| rest.starts_with(query.as_bytes()))
            else {
                continue;
            };
            let target = masked.get_or_insert_with(|| data.to_vec());
            if let Some(part) = target.get_mut(start..start + query.len()) {
                part.copy_from_slice(mask(query).as_bytes());
            }
        }
        masked.map_or(Cow::Borrowed(data), Cow::Owned)
    }

    fn remember(&self, query: &str) {
        // What was masked before is no secret.
        if !query.is_ascii() || query.contains('*') && mask(query) == query {
            return;
        }
        let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if queries.len() >= REMEMBERED || queries.iter().any(|known| known == query) {
            return;
        }
        queries.push(query.to_owned());
        if query.contains('&') {
            queries.push(query.replace('&', "\\u0026"));
            queries.push(query.replace('&', "&amp;"));
        }
    }
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\\')
}

/// Reports whether a query has a parameter that holds a credential.
fn is_signed(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        let last = name.rsplit(['-', '_', '.']).next().unwrap_or_default();
        NAMES.contains(&last)
            || NAMES.contains(&name.as_str())
            || name.ends_with("accesskeyid")
            || FAMILIES.iter().any(|family| name.starts_with(family))
    })
}

/// Returns a query with stars for the characters of all values.
fn mask(query: &str) -> String {
    let mut in_value = false;
    let star = |c: char| match c {
        '&' => {
            in_value = false;
            c
        }
        '=' if !in_value => {
            in_value = true;
            c
        }
        _ if in_value => '*',
        c => c,
    };
    query.chars().map(star).collect()
}

/// Returns JSON whose string literals are those that `change` returns; `None` leaves one as it is.
fn json_strings(json: &str, change: impl Fn(&str) -> Option<String>) -> String {
    let mut changed = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let (before, literal) = rest.split_at(start);
        changed.push_str(before);
        let end = end_of_literal(literal);
        let (literal, after) = literal.split_at(end);
        let text: Option<String> = serde_json::from_str(literal).ok();
        match text.as_deref().and_then(&change) {
            Some(text) => changed.push_str(&serde_json::Value::from(text).to_string()),
            None => changed.push_str(literal),
        }
        rest = after;
    }
    changed.push_str(rest);
    changed
}

/// Returns the length of the string literal that `text` begins with; all of it if it does not end.
fn end_of_literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "http://h/b/a.png?expires=170&method=GET&signature=0a1b";
    const MASKED: &str = "http://h/b/a.png?expires=***&method=***&signature=****";

    #[test]
    fn a_signature_becomes_stars_of_the_same_length() {
        let veil = Veil::default();
        assert_eq!(veil.text(SIGNED), MASKED);
        assert_eq!(veil.text(MASKED), MASKED);
        for kept in ["https://h/a?page=3&size=10", "http://h/a", "key=a?signature=b", "://?sig=1"] {
            assert_eq!(veil.text(kept), kept);
        }
        for signed in [
            "https://h/a?X-Amz-Signature=ab%2Fc",
            "https://h/a?sv=1&sig=x",
            "https://h/a?AWSAccessKeyId=AK&Expires=1",
            "https://h/a?access_token=x",
            "see https://h/a?x-api-key=x!",
        ] {
            let masked = veil.text(signed).into_owned();
            assert!(masked.contains('*') && masked.len() == signed.len(), "{masked}");
        }
    }

    #[test]
    fn json_stays_json_whatever_its_escapes() {
        let veil = Veil::default();
        let escaped = SIGNED.replace('&', "\\u0026");
        let json = format!("{{\"url\": \"{escaped}\", \"n\": 1.50, \"password\": \"hunter2\"}}");
        let masked = veil.json(&json);
        let value: serde_json::Value = serde_json::from_str(&masked).unwrap();
        assert_eq!(value["url"], MASKED);
        assert!(masked.contains("1.50") && !masked.contains("hunter2"), "{masked}");
        for odd in ["\"", "\"\\", "{\"a\":\"b", ""] {
            assert_eq!(json_strings(odd, |_| None), odd);
        }
    }

    #[test]
    fn what_an_action_writes_has_no_signature_that_it_was_given() {
        let veil = Veil::default();
        veil.url(&SIGNED.parse().unwrap());
        let html = SIGNED.replace('&', "&amp;");
        for written in [format!("<a href='{html}'>?</a>"), format!("\u{1}{SIGNED}\n")] {
            let masked = String::from_utf8(veil.data(written.as_bytes()).into_owned()).unwrap();
            assert!(!masked.contains("0a1b") && masked.len() == written.len(), "{masked}");
        }
        assert_eq!(veil.data(SIGNED.as_bytes()), MASKED.as_bytes());
    }
}
