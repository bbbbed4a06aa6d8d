//! The location grammar: the only place where text from an action becomes a [`Location`].
//!
//! ```text
//! location = key | "s3://" bucket "/" key | http(s) URL (read only)
//! key      = segment *( "/" segment )        at most 1,024 bytes of UTF-8
//! segment  = 1*character                     not ".", "..", ".keynet"; no control characters
//! ```

use std::fmt;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use url::Url;

use keynet_base::error::{Error, Result};
use keynet_base::limits;
use keynet_base::quote::shown;

/// Reserved segment: the embedded store keeps content types and unfinished writes in a folder of
/// this name.
pub const RESERVED_SEGMENT: &str = ".keynet";

const GRAMMAR: &str = "a location is a key such as `20260131/cat.png`, `s3://bucket/key` or, only \
    to read, an http(s) URL";

/// Location of an object. Always well formed, but the object need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Object in a bucket.
    Object {
        /// Bucket; `None` for the default one.
        bucket: Option<String>,
        /// Key of the object in the bucket.
        key: ObjectKey,
    },
    /// An http(s) URL without user and fragment; read only.
    Url(Url),
}

impl Location {
    /// Parses a location that an action passed.
    ///
    /// # Errors
    /// `invalid`, with the defect and the location grammar.
    pub fn parse(text: &str) -> Result<Self> {
        match split_scheme(text) {
            None => Ok(Self::Object { bucket: None, key: ObjectKey::parse(text)? }),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("s3") => {
                let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
                Ok(Self::Object {
                    bucket: Some(bucket_name(text, bucket)?),
                    key: ObjectKey::parse_in(text, key)?,
                })
            }
            Some((scheme, _))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                parse_url(text).map(Self::Url)
            }
            Some((scheme, _)) => Err(Error::invalid(format!(
                "`{}://` is not a scheme of a location: {GRAMMAR}",
                shown(scheme)
            ))),
        }
    }

    /// Returns the location of an object of the default bucket.
    pub fn of(key: ObjectKey) -> Self {
        Self::Object { bucket: None, key }
    }

    /// Returns the bucket; `None` for the default one and for URLs.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::Object { bucket, .. } => bucket.as_deref(),
            Self::Url(_) => None,
        }
    }

    /// Returns the length of its text, in bytes.
    pub fn text_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Object { bucket, key } => {
                bucket.as_ref().map_or(0, String::len) + key.as_str().len()
            }
            Self::Url(url) => url.as_str().len(),
        };
        bytes as u64
    }

    /// Returns the key; `None` for URLs.
    pub fn key(&self) -> Option<&ObjectKey> {
        match self {
            Self::Object { key, .. } => Some(key),
            Self::Url(_) => None,
        }
    }

    /// Returns the text for messages and logs: a URL without its query, which may hold a signature.
    pub fn label(&self) -> String {
        match self {
            Self::Object { .. } => shown(&self.to_string()).to_string(),
            Self::Url(url) => {
                let mut bare = url.clone();
                bare.set_query(None);
                shown(bare.as_str()).to_string()
            }
        }
    }
}

/// Canonical text: `key`, `s3://bucket/key` or the URL, with its signature if it has one.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { bucket: None, key } => key.fmt(f),
            Self::Object { bucket: Some(bucket), key } => write!(f, "s3://{bucket}/{key}"),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl std::str::FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// Name of an object in its bucket: segments between slashes, as in the grammar of this module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Path);

impl ObjectKey {
    /// Parses a key that came from outside.
    ///
    /// # Errors
    /// `invalid`, with the defect and the location grammar.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_in(text, text)
    }

    /// Same as [`Self::parse`], for the key inside a longer `location`, which the errors name.
    fn parse_in(location: &str, key: &str) -> Result<Self> {
        let refuse =
            |what: &str| Err(Error::invalid(format!("`{}` {what}: {GRAMMAR}", shown(location))));
        if key.is_empty() {
            return refuse("has no key");
        }
        if key.len() > limits::KEY {
            return refuse(&format!(
                "has a key of {} bytes, more than the {} there can be",
                key.len(),
                limits::KEY
            ));
        }
        if key.starts_with('/') {
            return refuse("begins with a slash");
        }
        for segment in key.split('/') {
            if let Some(what) = wrong_with_segment(segment) {
                return refuse(what);
            }
        }
        Path::parse(key).map(Self).or_else(|_| refuse("is no key"))
    }

    /// Generates an unused key: `YYYYMMDD/uuid`, the day in UTC.
    pub fn new_random() -> Self {
        Self::new_random_at(Utc::now())
    }

    fn new_random_at(now: DateTime<Utc>) -> Self {
        Self(Path::from_iter([now.format("%Y%m%d").to_string(), uuid::Uuid::new_v4().to_string()]))
    }

    /// Converts a path that a store returned; `None` if the path is not a valid key.
    pub fn of_path(path: &Path) -> Option<Self> {
        Self::parse(path.as_ref()).ok()
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// Returns the key as a path of `object_store`.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    text.split_once("://").filter(|(scheme, _)| !scheme.contains('/'))
}

pub(super) fn wrong_with_segment(segment: &str) -> Option<&'static str> {
    match segment {
        "" => Some("has an empty segment (two slashes in a row, or one at the end)"),
        "." | ".." => Some("has a segment `.` or `..`"),
        _ if segment.eq_ignore_ascii_case(RESERVED_SEGMENT) => {
            Some("has a segment `.keynet`, which is reserved")
        }
        _ if segment.chars().any(char::is_control) => Some("has a control character"),
        _ => None,
    }
}

pub(super) fn bucket_name(location: &str, bucket: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if (1..=255).contains(&bucket.len())
        && bucket.chars().all(fits)
        && !matches!(bucket, "." | "..")
    {
        Ok(bucket.to_owned())
    } else {
        Err(Error::invalid(format!(
            "`{}` has no bucket name of letters, digits, `.`, `-` and `_` after `s3://`: {GRAMMAR}",
            shown(location)
        )))
    }
}

fn parse_url(text: &str) -> Result<Url> {
    // Nothing of the URL is shown: the signature cannot be removed from text that is not a valid
    // URL.
    let refuse = |what: &str| Error::invalid(format!("the URL {what}: {GRAMMAR}"));
    if text.len() > limits::URL {
        return Err(refuse(&format!("is longer than the {} bytes it can have", limits::URL)));
    }
    if text.chars().any(char::is_control) {
        return Err(refuse("has a control character"));
    }
    let mut url = Url::parse(text).map_err(|error| refuse(&format!("cannot be read ({error})")))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refuse("names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("holds a user or a password, which is not sent"));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    #[test]
    fn locations_are_read_and_given_back() {
        for text in [
            "20260131/cat.png",
            "a",
            "a b/ü#1",
            "s3://bucket/a/b",
            "x%2F..%2Fy",
            "https://host/a?X-Amz=1",
            "a:b",
            "..a/b..",
            "~",
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.to_string(), text);
            assert_eq!(Location::parse(&location.to_string()).unwrap(), location);
        }
        assert_eq!(Location::parse("S3://b/k").unwrap().to_string(), "s3://b/k");
        assert_eq!(Location::parse("HTTP://h/k#part").unwrap().to_string(), "http://h/k");
        assert_eq!(Location::parse("s3://b/k").unwrap().bucket(), Some("b"));
    }

    #[test]
    fn wrong_locations_are_refused_with_the_grammar() {
        let long = "k".repeat(limits::KEY + 1);
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/./b",
            "a/..",
            "../a",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            &long,
            ".keynet/x",
            "a/.KeyNet",
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3:///key",
            "s3://b//k",
            "s3://b/../k",
            "s3://../k",
            "s3://b c/k",
            "file:///etc/passwd",
            "ftp://h/k",
            "://k",
            "data://x",
            "http://",
            "https:///",
            "http://user:secret@host/k",
            "http://h/\n",
        ] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{text:?}");
            assert!(error.message.contains("a location is"), "{text:?}: {error}");
            assert!(!error.message.contains("secret"), "{error}");
            assert!(!error.message.contains(char::is_control), "{text:?}: {error:?}");
            assert!(error.message.len() < 2_000);
        }
        assert_eq!(Location::parse(&long[1..]).unwrap().to_string(), long[1..]);
    }

    /// Every string of up to five of these is either rejected or safe to pass to a store.
    #[test]
    fn whatever_is_accepted_keeps_to_the_grammar() {
        let alphabet =
            ["/", ".", "..", "a", "é", "\0", ":", "//", "s3:", "%2e", "\\", ".keynet", " "];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            let longer: Vec<_> = texts
                .iter()
                .filter(|t| t.len() < 12)
                .flat_map(|t| alphabet.iter().map(move |a| format!("{t}{a}")))
                .collect();
            for text in &longer {
                let Ok(Location::Object { key, .. }) = Location::parse(text) else { continue };
                assert!(
                    key.as_str().split('/').all(|s| !["", ".", "..", ".keynet"].contains(&s)),
                    "{text:?}"
                );
                assert!(!key.as_str().contains(char::is_control), "{text:?}");
                assert_eq!(key.path().as_ref(), key.as_str());
                assert_eq!(Location::parse(text).unwrap().to_string(), *text);
            }
            texts = longer;
            texts.truncate(30_000);
        }
    }

    #[test]
    fn new_keys_are_the_day_and_a_uuid() {
        let day = DateTime::from_timestamp(1_769_903_999, 0).unwrap(); // 2026-01-31T23:59:59Z
        let (first, second) = (ObjectKey::new_random_at(day), ObjectKey::new_random_at(day));
        assert_ne!(first, second);
        let (folder, id) = first.as_str().split_once('/').unwrap();
        assert_eq!(folder, "20260131");
        assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 4);
        assert_eq!(ObjectKey::parse(first.as_str()).unwrap(), first);
    }

    #[test]
    fn a_location_of_sixty_mebibytes_is_refused_in_a_short_sentence() {
        let long = "k".repeat(60 << 20);
        for text in [
            long.clone(),
            format!("s3://{long}"),
            format!("s3://b/{long}"),
            format!("http://h/{long}"),
            format!("{long}://x"),
        ] {
            let error = Location::parse(&text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.len() < 2_000, "{} bytes", error.message.len());
            let error = super::super::Prefix::parse(&text).unwrap_err();
            assert!(error.message.len() < 2_000, "{} bytes", error.message.len());
        }
        let url = |bytes| format!("http://h/{}", "k".repeat(bytes - "http://h/".len()));
        assert!(
            Location::parse(&url(limits::URL)).is_ok()
                && Location::parse(&url(limits::URL + 1)).is_err()
        );
    }

    #[test]
    fn labels_hold_no_signature() {
        let location = Location::parse("https://host/a.png?X-Amz-Signature=abc").unwrap();
        assert_eq!(location.label(), "https://host/a.png");
    }
}
