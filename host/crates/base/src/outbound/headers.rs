//! Size limits of response headers.
//!
//! hyper reads up to 400 KiB of them into one buffer, and every header value that is kept keeps the
//! whole buffer alive. Useful headers are far smaller.

use http::HeaderMap;
use http::header::{
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LOCATION, WWW_AUTHENTICATE,
};

/// Total bytes of all names and values of one response.
const MAX_ALL: usize = 64 << 10;

/// Bytes of a value that is kept.
const MAX_KEPT: usize = 1 << 10;
/// Bytes of a URL or a challenge.
const MAX_FOLLOWED: usize = 8 << 10;

/// Returns the headers that are kept or parsed, with the largest size of their values in bytes.
fn limits() -> [(HeaderName, usize); 6] {
    [
        (ETAG, MAX_KEPT),
        (CONTENT_TYPE, MAX_KEPT),
        (CONTENT_RANGE, MAX_KEPT),
        (LAST_MODIFIED, MAX_KEPT),
        (LOCATION, MAX_FOLLOWED),
        (WWW_AUTHENTICATE, MAX_FOLLOWED),
    ]
}

/// Error of headers that are larger than allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} of its answer has {bytes} bytes, and no more than {limit} are accepted")]
pub struct LargeHeaders {
    what: String,
    bytes: usize,
    limit: usize,
}

/// Checks the size of a response's headers.
///
/// # Errors
/// A header, or all of them together, is larger than allowed.
pub fn check_headers(headers: &HeaderMap) -> Result<(), LargeHeaders> {
    for (name, limit) in limits() {
        let bytes: usize = headers.get_all(&name).iter().map(http::HeaderValue::len).sum();
        if bytes > limit {
            return Err(LargeHeaders { what: format!("header {name}"), bytes, limit });
        }
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_ALL {
        return Err(LargeHeaders { what: "head".to_owned(), bytes, limit: MAX_ALL });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn value(bytes: usize) -> HeaderValue {
        HeaderValue::from_str(&"e".repeat(bytes)).unwrap()
    }

    #[test]
    fn every_value_that_is_kept_has_a_limit_and_so_have_all_together() {
        for (name, limit) in limits() {
            assert_eq!(
                check_headers(&HeaderMap::from_iter([(name.clone(), value(limit))])),
                Ok(())
            );
            let error = check_headers(&HeaderMap::from_iter([(name.clone(), value(limit + 1))]))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(&format!(
                    "the header {name} of its answer has {} bytes",
                    limit + 1
                )),
                "{error}"
            );
        }
        let mut headers = HeaderMap::new();
        for _ in 0..8 {
            headers.append("x-amz-meta-a", value(8 << 10));
        }
        let error = check_headers(&headers).unwrap_err().to_string();
        assert!(error.starts_with("the head of its answer has"), "{error}");
    }

    #[test]
    fn a_header_that_comes_many_times_is_counted_as_one() {
        let mut headers = HeaderMap::new();
        for _ in 0..3 {
            headers.append(ETAG, value(400));
        }
        assert!(check_headers(&headers).is_err());
    }
}
