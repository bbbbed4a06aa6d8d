//! The target of a request: the segments of its path and its query.

use hyper::Uri;
use percent_encoding::percent_decode_str;

use super::reply::Rejection;
use crate::web::lenient_pairs;

/// Most entries of a list in one response; OpenWhisk's limit.
const MAX_LIMIT: usize = 200;

/// Entries of a list without `limit`.
const DEFAULT_LIMIT: usize = 30;

/// Segments of the path of most requests, `/api/v1/namespaces/_/actions/NAME`.
const USUAL_SEGMENTS: usize = 8;

/// Decoded target. A segment that is not UTF-8, or that contains an encoded slash, is no name of
/// anything.
#[derive(Debug)]
pub(super) struct Target {
    /// Decoded segments, one after another, and where each ends.
    decoded: String,
    ends: Vec<usize>,
    /// The last value of a name counts.
    query: Vec<(String, String)>,
    /// As it was sent.
    uri: Uri,
}

/// Part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) skip: usize,
    pub(super) limit: usize,
}

impl Target {
    pub(super) fn parse(uri: Uri) -> Self {
        let path = uri.path();
        let mut decoded = String::with_capacity(path.len());
        let mut ends = Vec::with_capacity(USUAL_SEGMENTS);
        for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
            match percent_decode_str(segment).decode_utf8() {
                Ok(text) => decoded.push_str(&text),
                Err(_) => decoded.push('\u{fffd}'),
            }
            ends.push(decoded.len());
        }
        let query = lenient_pairs(uri.query().unwrap_or_default()).collect();
        Self { decoded, ends, query, uri }
    }

    /// Returns the path as it was sent.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Returns the query as it was sent, without `?`.
    pub(super) fn raw_query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let segments = starts.zip(&self.ends).map(|(start, end)| self.decoded.get(*start..*end));
        segments.map(Option::unwrap_or_default).collect() // each range is one
    }

    /// Returns a parameter of the query.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let named = self.query.iter().rev().find(|(other, _)| other == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns a parameter that is `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub(super) fn flag(&self, name: &'static str, absent: bool) -> Result<bool, Rejection> {
        let Some(text) = self.get(name) else { return Ok(absent) };
        let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is_one_of(&["true", "yes", "on", "1"]) {
            Ok(true)
        } else if is_one_of(&["false", "no", "off", "0"]) {
            Ok(false)
        } else {
            let why = format_args!("'{}' is not a valid Boolean value", text.to_lowercase());
            Err(Rejection::parameter(name, why))
        }
    }

    /// Returns a parameter that is a time in milliseconds since 1970.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<u64>, Rejection> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let why = format_args!("Parameter is not a valid value for epoch seconds: {text}");
            Rejection::parameter(name, why)
        })
    }

    /// Returns `skip` and `limit` of the list `collection`; a limit of 0 is the largest one.
    ///
    /// # Errors
    /// One of them is out of range.
    pub(super) fn page(&self, collection: &str) -> Result<Page, Rejection> {
        let number = |name: &'static str, default: usize| match self.get(name) {
            None => Ok(default),
            Some(text) => match text.parse::<i64>() {
                Err(_) => Err(Rejection::parameter(
                    name,
                    format_args!("The value '{text}' is not an integer for {collection}."),
                )),
                Ok(value) => usize::try_from(value).map_err(|_| {
                    let why = format_args!(
                        "The value '{value}' is not greater than or equal to 0 for {collection}."
                    );
                    Rejection::parameter(name, why)
                }),
            },
        };
        let (skip, limit) = (number("skip", 0)?, number("limit", DEFAULT_LIMIT)?);
        if limit > MAX_LIMIT {
            return Err(Rejection::parameter(
                "limit",
                format_args!(
                    "The value '{limit}' is not in the range of 0 to {MAX_LIMIT} for {collection}."
                ),
            ));
        }
        Ok(Page { skip, limit: if limit == 0 { MAX_LIMIT } else { limit } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text.parse().unwrap())
    }

    #[test]
    fn an_encoded_slash_does_not_separate() {
        assert_eq!(target("/a/b%2Fc/%2e%2e/d%20e/").segments(), ["a", "b/c", "..", "d e", ""]);
        assert_eq!(target("/a/%ff").segments(), ["a", "\u{fffd}"]);
    }

    #[test]
    fn a_page_is_within_openwhisks_limits() {
        let page = |query: &str| target(&format!("/?{query}")).page("actions");
        assert_eq!(page("").unwrap(), Page { skip: 0, limit: 30 });
        assert_eq!(page("limit=0&skip=5").unwrap(), Page { skip: 5, limit: 200 });
        for query in ["limit=201", "limit=-1", "skip=x", "skip=-1"] {
            assert!(page(query).is_err(), "{query}");
        }
    }
}
