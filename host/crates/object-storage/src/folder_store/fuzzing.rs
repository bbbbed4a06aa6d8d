//! Fuzzing of requests to the embedded store; see [`keynet_base::fuzzing`].

use std::time::{Duration, UNIX_EPOCH};

use url::Url;

use super::super::{ContentType, ObjectKey};
use super::range::{Wanted, wanted};
use super::signing::{Method, UrlSigner};
use keynet_base::fuzzing::{checked, text};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const TTL: Duration = Duration::from_secs(100);

/// Input lines: a path, a query, a `Range` header, a key, a content type. A path and query that
/// were not signed are never granted. A signed URL is granted exactly as it was signed, also with
/// the query appended.
pub fn storage_request(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let mut lines = text.split('\n');
    let [path, query, range, key, content_type] =
        [(); 5].map(|()| lines.next().unwrap_or_default());
    for size in [0, 1, 1000, u64::MAX] {
        if let Wanted::Part(part) = wanted(Some(range), size) {
            assert!(
                part.start < part.end && part.end <= size,
                "{range:?} of {size} bytes: {part:?}"
            );
        }
    }
    let base = Url::parse("http://127.0.0.1:9797/store");
    let Some(signer) = base.ok().and_then(|base| UrlSigner::new([7; 32], Some(base), None).ok())
    else {
        return;
    };
    let now = UNIX_EPOCH + NOW;
    for method in [Method::Get, Method::Put] {
        let granted = checked(signer.verify_request(method, path, query, now));
        assert!(granted.is_none(), "{path:?} {query:?} was never signed: {granted:?}");
    }
    let Ok(key) = ObjectKey::parse(key) else { return };
    let content_type = ContentType::parse(content_type).ok();
    let method = if content_type.is_some() { Method::Put } else { Method::Get };
    let Some(url) = checked(signer.sign(method, &key, content_type.as_ref(), TTL, now)) else {
        return;
    };
    let signed = url.query().unwrap_or_default();
    for granted in
        [signer.verify(method, &url, now), signer.verify_request(method, url.path(), signed, now)]
    {
        let granted = checked(granted);
        assert!(
            granted.is_some_and(|grant| grant.key == key && grant.content_type == content_type),
            "{url}"
        );
    }
    assert!(checked(signer.verify(method, &url, now + TTL)).is_none(), "{url} has expired");
    // Another path, or a longer query, may only be another spelling of the same URL.
    let other = format!("{signed}&{query}");
    for (path, query) in [(path, signed), (url.path(), other.as_str())] {
        let granted = checked(signer.verify_request(method, path, query, now));
        assert!(
            granted.is_none_or(|grant| grant.key == key && grant.content_type == content_type),
            "{path} {query}"
        );
    }
}
