//! Secrets of this process: hidden wherever they appear, as they are and encoded.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::mask;

/// Minimum length of a secret, in bytes: a shorter text is part of too many others.
pub const SHORTEST: usize = 4;

/// Largest number of secrets that are remembered: those of the process and of one action are a
/// dozen.
const MOST: usize = 256;

/// Secrets of this process.
static HELD: RwLock<Option<Arc<Known>>> = RwLock::new(None);

/// Secrets in all their forms.
#[derive(Debug)]
pub(super) struct Known {
    secrets: Vec<(String, &'static str)>,
    search: AhoCorasick,
    /// Replacement for each pattern.
    masks: Vec<String>,
}

/// Hides `secret` from now on wherever it appears, as it is and encoded (JSON, percent, base64), as
/// `***LABEL_…***`. A text of fewer than four bytes is not hidden: it is part of too many others.
pub fn remember(secret: &str, label: &'static str) {
    let mut held = HELD.write().unwrap_or_else(PoisonError::into_inner);
    let secrets = held.as_ref().map(|known| known.secrets.clone()).unwrap_or_default();
    if let Some(more) = with(secrets, secret, label) {
        *held = Known::new(more).map(Arc::new).or_else(|| held.take());
    }
}

/// Returns the secrets of this process; `None` if there are none.
pub(super) fn held() -> Option<Arc<Known>> {
    HELD.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn with(
    mut secrets: Vec<(String, &'static str)>,
    secret: &str,
    label: &'static str,
) -> Option<Vec<(String, &'static str)>> {
    let new = secret.len() >= SHORTEST
        && secrets.len() < MOST
        && !secrets.iter().any(|(other, _)| other == secret);
    new.then(|| {
        secrets.push((secret.to_owned(), label));
        secrets
    })
}

impl Known {
    fn new(secrets: Vec<(String, &'static str)>) -> Option<Self> {
        let forms = secrets.iter().flat_map(|(secret, label)| {
            let mask = mask(label, secret.as_bytes());
            forms(secret).into_iter().map(move |form| (form, mask.clone()))
        });
        let (patterns, masks): (Vec<_>, Vec<_>) = forms.unzip();
        // The longest match wins: one secret may be a part of another.
        let search =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(patterns).ok()?;
        Some(Self { secrets, search, masks })
    }

    /// Returns `text` without the secrets.
    pub(super) fn hide<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut hidden = Vec::new();
        let mut done = 0;
        for found in self.search.find_iter(text) {
            hidden.extend_from_slice(text.get(done..found.start()).unwrap_or_default());
            hidden.extend_from_slice(
                self.masks.get(found.pattern().as_usize()).map_or(b"***", |mask| mask.as_bytes()),
            );
            done = found.end();
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        hidden.extend_from_slice(text.get(done..).unwrap_or_default());
        Cow::Owned(hidden)
    }
}

/// Returns the forms in which a secret appears.
fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap_or_default();
    let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    let mut forms = vec![
        secret.to_owned(),
        json.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, UNRESERVED).to_string(),
        hex::encode(secret),
    ];
    for encode in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        // Inside a longer text, such as NAME:PASSWORD, base64 begins at one of three offsets.
        for shift in 0..3 {
            let text = [vec![0; shift].as_slice(), secret.as_bytes()].concat();
            let encoded = encode.encode(&text);
            // The characters at both ends contain bits of the adjacent text.
            let from = (shift * 8).div_ceil(6);
            let to = text.len() * 8 / 6;
            forms.extend(encoded.get(from..to).map(str::to_owned));
        }
    }
    // A short form is part of too many other texts.
    forms.retain(|form| form.len() >= if form == secret { SHORTEST } else { 8 });
    forms.sort();
    forms.dedup();
    forms
}

/// Characters that percent-encoding leaves unchanged (RFC 3986).
const UNRESERVED: &percent_encoding::AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(secrets: &[&str], text: &str) -> String {
        let held = secrets
            .iter()
            .fold(Vec::new(), |held, secret| with(held.clone(), secret, "SECRET").unwrap_or(held));
        let known = Known::new(held).unwrap();
        String::from_utf8(known.hide(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn a_secret_is_hidden_in_each_of_its_forms() {
        let secret = "pa\"ss/w+rd~1";
        let basic = |name: &str| {
            base64::engine::general_purpose::STANDARD.encode(format!("{name}:{secret}"))
        };
        for text in [
            secret.to_owned(),
            serde_json::to_string(secret).unwrap(),
            "pa%22ss%2Fw%2Brd~1".to_owned(),
            "pa%22ss%2Fw%2Brd%7E1".to_owned(),
            hex::encode(secret),
        ] {
            let hidden = hide(&[secret], &format!("a {text} b"));
            assert!(hidden.contains("***SECRET_") && !hidden.contains("rd"), "{text}: {hidden}");
        }
        for name in ["a", "ab", "abc", ""] {
            let hidden = hide(&[secret], &basic(name));
            assert!(hidden.contains("***SECRET_"), "{name}: {hidden}");
        }
    }

    #[test]
    fn the_longest_of_two_secrets_is_hidden_whole() {
        let hidden = hide(&["s3cr3t", "s3cr3t-and-more"], "<s3cr3t-and-more> s3cr3t");
        assert_eq!(hidden.matches("***SECRET_").count(), 2);
        assert!(!hidden.contains("more"), "{hidden}");
    }

    #[test]
    fn a_short_text_is_not_remembered() {
        assert_eq!(with(Vec::new(), "abc", "SECRET"), None);
        let many = (0..1000).fold(Vec::new(), |held, at| {
            with(Vec::clone(&held), &format!("secret-{at}"), "SECRET").unwrap_or(held)
        });
        assert_eq!(many.len(), MOST);
    }
}
