//! The prefix grammar: prefixes of the locations in a listing.

use std::fmt;

use super::location::{bucket_name, split_scheme, wrong_with_segment};
use super::{Location, ObjectKey};
use keynet_base::error::{Error, Result};
use keynet_base::limits;
use keynet_base::quote::shown;

/// Prefix of the locations in a listing: the beginning of a key, which need not end at a slash, or
/// `s3://bucket/` followed by one. May be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    bucket: Option<String>,
    start: String,
}

impl Prefix {
    /// Parses a prefix that an action passed.
    ///
    /// # Errors
    /// `invalid`, with the defect and the prefix grammar.
    pub fn parse(text: &str) -> Result<Self> {
        const PREFIX_GRAMMAR: &str = "a prefix is the beginning of a key such as `20260131/`, or \
            `s3://bucket/` and one";
        let refuse = |what: &str| {
            Err(Error::invalid(format!("the prefix `{}` {what}: {PREFIX_GRAMMAR}", shown(text))))
        };
        let (bucket, start) = match split_scheme(text) {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("s3") => {
                let (bucket, start) = rest.split_once('/').unwrap_or((rest, ""));
                (Some(bucket_name(text, bucket)?), start)
            }
            Some(_) => return refuse("is a URL"),
        };
        if start.len() > limits::KEY {
            return refuse("is longer than a key can be");
        }
        if start.starts_with('/') {
            return refuse("begins with a slash");
        }
        let (folder, last) = start.rsplit_once('/').unwrap_or(("", start));
        if last.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        if let Some(what) =
            folder.split('/').filter(|_| !folder.is_empty()).find_map(wrong_with_segment)
        {
            return refuse(what);
        }
        Ok(Self { bucket, start: start.to_owned() })
    }

    /// Returns the bucket; `None` for the default one.
    pub fn bucket(&self) -> Option<&str> {
        self.bucket.as_deref()
    }

    /// Returns the prefix of the keys.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// Returns its text for messages.
    pub(super) fn label(&self) -> String {
        shown(&self.to_string()).to_string()
    }

    /// Returns a prefix of the same bucket whose keys begin with `start`; `None` if no valid key
    /// does.
    pub fn with_start(&self, start: &str) -> Option<Self> {
        let text = Self { bucket: self.bucket.clone(), start: start.to_owned() }.to_string();
        Self::parse(&text).ok().filter(|prefix| prefix.bucket == self.bucket)
    }

    /// Returns the location of `key`, which begins with this prefix.
    pub fn location(&self, key: ObjectKey) -> Location {
        Location::Object { bucket: self.bucket.clone(), key }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bucket {
            None => f.write_str(&self.start),
            Some(bucket) => write!(f, "s3://{bucket}/{}", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    #[test]
    fn prefixes_need_not_end_at_a_slash() {
        for text in ["", "2026", "20260131/", "20260131/c", "s3://b/", "s3://b/x", "a/.", ".key"] {
            assert_eq!(Prefix::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Prefix::parse("s3://b").unwrap().to_string(), "s3://b/");
        for text in
            ["/", "//", "a//", "../", "a/../b", "http://h/", "\n", "a\0/b", ".keynet/", "s3:///x"]
        {
            assert_eq!(Prefix::parse(text).unwrap_err().kind, ErrorKind::Invalid, "{text:?}");
        }
    }
}
