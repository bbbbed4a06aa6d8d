//! Listing by prefix (`ListObjectsV2`).
//!
//! `object_store` lists by folder, and fails if any key written by another program is not a valid
//! path, such as the `folder/` objects that consoles create. Here the store itself selects keys by
//! their prefix, one request per page, and keys that are not an [`ObjectKey`] are skipped.

use std::fmt::Write as _;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpRequestBody};
use object_store::path::Path;
use object_store::{ObjectMeta, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::collect::ReadByCaller;
use super::super::failure::carry;
use super::super::{KeyPage, KeyPages, ObjectKey};
use super::answer::{element, unescaped};
use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::Error;
use keynet_base::outbound::{BodyError, read_reserved};

/// Bytes of one page: 1,000 keys of 1,024 bytes, each byte escaped as three, and the metadata of
/// each.
const MAX_PAGE_BYTES: usize = 8 << 20;
const MAX_PAGE_OBJECTS: usize = 1000;
/// Bytes of a key or an ETag.
const MAX_TEXT: usize = 1024;

/// Characters that Signature Version 4 leaves unescaped in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Listing of one bucket.
#[derive(Debug)]
pub(super) struct S3Pages {
    pub(super) client: HttpClient,
    pub(super) store: std::sync::Arc<AmazonS3>,
    /// URL of the bucket, without a trailing slash.
    pub(super) url: String,
    pub(super) region: String,
}

#[async_trait]
impl KeyPages for S3Pages {
    async fn page(
        &self,
        start: &str,
        after: Option<&str>,
        memory: &MemoryBudget,
    ) -> Result<KeyPage> {
        // Parameters in the order of their names, because the signed text is sorted.
        let mut url = format!(
            "{}?encoding-type=url&list-type=2&prefix={}",
            self.url,
            utf8_percent_encode(start, QUERY)
        );
        if let Some(after) = after {
            let _ = write!(url, "&start-after={}", utf8_percent_encode(after, QUERY));
        }
        let request =
            http::Request::get(url).extension(ReadByCaller).body(HttpRequestBody::empty());
        let mut request = request.map_err(|error| carry(Error::invalid(error.to_string())))?;
        let credential = self.store.credentials().get_credential().await?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(&mut request, None)?;
        let failed = |error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
        let response = self.client.execute(request).await.map_err(failed)?;
        if response.status().is_success() {
            let read_whole = read_reserved(
                response.into_body(),
                MAX_PAGE_BYTES,
                memory,
                "a listing of the object store",
            );
            let (body, reservation) = read_whole.await.map_err(|error| match error {
                BodyError::Refused(refused) => carry(refused),
                BodyError::Broken(broken) => failed(broken),
                BodyError::TooLong(limit) => {
                    garbage(&format!("more than the {limit} bytes that are accepted"))
                }
            })?;
            let body = String::from_utf8(body).map_err(|_| garbage("text that is not UTF-8"))?;
            return read(&body, reservation);
        }
        Err(carry(Error::internal(format!(
            "the object store answered a listing with {}",
            response.status()
        ))))
    }
}

fn garbage(what: &str) -> object_store::Error {
    carry(Error::unavailable(format!("the object store answered a listing with {what}")))
}

/// Parses a page. Rejects pages above the limits of S3: keys of 1,024 bytes, 1,000 objects.
pub(super) fn read(body: &str, reservation: Reservation) -> Result<KeyPage> {
    let encoded = element(body, "EncodingType").is_some_and(|encoding| encoding == "url");
    let mut page = KeyPage { objects: Vec::new(), next: None, reservation };
    let mut last = None;
    for (index, contents) in body.split("<Contents>").skip(1).enumerate() {
        if index == MAX_PAGE_OBJECTS {
            return Err(garbage(&format!(
                "more than the {MAX_PAGE_OBJECTS} objects a page may have"
            )));
        }
        let Some(key) = element(contents, "Key") else { continue };
        let key = if encoded { decoded(key) } else { unescaped(key) };
        for (what, bytes) in
            [("a key", key.len()), ("an ETag", element(contents, "ETag").map_or(0, str::len))]
        {
            if bytes > MAX_TEXT {
                return Err(garbage(&format!(
                    "{what} of {bytes} bytes, and no more than {MAX_TEXT} are accepted"
                )));
            }
        }
        if let Some(meta) =
            ObjectKey::parse(&key).ok().and_then(|key| meta(contents, key.path().clone()))
        {
            page.objects.push(meta);
        }
        last = Some(key);
    }
    if element(body, "IsTruncated").is_some_and(|truncated| truncated == "true") {
        page.next = last;
    }
    Ok(page)
}

fn meta(contents: &str, location: Path) -> Option<ObjectMeta> {
    Some(ObjectMeta {
        location,
        last_modified: DateTime::parse_from_rfc3339(element(contents, "LastModified")?)
            .ok()?
            .with_timezone(&Utc),
        size: element(contents, "Size")?.parse().ok()?,
        e_tag: element(contents, "ETag").map(unescaped),
        version: None,
    })
}

/// Decodes a key of a listing: encoded as in the query of a URL, with a plus for a space.
fn decoded(key: &str) -> String {
    percent_encoding::percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(key: &str) -> String {
        format!(
            "<Contents><Key>{key}</Key><ETag>&#34;e&#34;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass>\
             <LastModified>2026-11-24T23:33:49.000Z</LastModified></Contents>"
        )
    }

    fn parse(body: &str) -> Result<KeyPage> {
        read(body, MemoryBudget::process(0).reserve(0, "a listing").unwrap())
    }

    fn page_of(body: &str) -> KeyPage {
        parse(body).unwrap()
    }

    #[test]
    fn a_page_holds_no_more_than_s3_allows() {
        assert_eq!(page_of(&contents("k").repeat(1000)).objects.len(), 1000);
        let tagged = contents("k").replace("&#34;e&#34;", &"e".repeat(1025));
        for (body, what) in [
            (contents("k").repeat(1001), "more than the 1000 objects"),
            (contents(&"k".repeat(1025)), "a key of 1025 bytes"),
            (tagged, "an ETag of 1025 bytes"),
        ] {
            let error =
                super::super::super::failure::explain("list", "k", parse(&body).unwrap_err());
            assert!(error.message.contains(what), "{error}");
        }
    }

    #[test]
    fn keys_are_read_in_either_encoding_and_those_of_others_passed_over() {
        let keys =
            ["a+b/c%2Bd%26%3C.txt", "%EC%95%88", "folder/", "x//y", "../z"].map(contents).concat();
        let page = page_of(&format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>{keys}<EncodingType>url</EncodingType></ListBucketResult>"
        ));
        let found: Vec<_> = page.objects.iter().map(|meta| meta.location.as_ref()).collect();
        assert_eq!(found, ["a b/c+d&<.txt", "안"]);
        assert_eq!(page.next.as_deref(), Some("../z"));
        let first = page.objects.first().unwrap();
        assert_eq!(
            (first.size, first.e_tag.as_deref(), first.last_modified.timestamp()),
            (3, Some("\"e\""), 1_795_563_229)
        );

        let page = page_of(&format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>",
            contents("a+b%2B&lt;&amp;")
        ));
        assert_eq!(page.objects.first().unwrap().location.as_ref(), "a+b%2B<&");
        assert_eq!(page.next, None);
    }
}
