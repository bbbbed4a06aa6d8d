//! The seam between the storage and whoever signs its URLs: the embedded store's own signer, or
//! S3's.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::{ContentType, ObjectKey};
use keynet_base::error::Result;

/// Makes URLs that let anyone read or write one object for a time.
#[async_trait]
pub trait Presign: Debug + Send + Sync {
    /// A URL that reads `key` for `ttl`. The object need not be there.
    ///
    /// # Errors
    /// `unavailable`: this store cannot be reached from outside; the text says what to configure.
    async fn presign_get(&self, key: &ObjectKey, ttl: Duration) -> Result<Url>;

    /// A URL that writes `key` for `ttl`, by a PUT request with exactly this `Content-Type`.
    ///
    /// # Errors
    /// As [`Self::presign_get`].
    async fn presign_put(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        ttl: Duration,
    ) -> Result<Url>;

    /// The key that `url` lets its bearer read, where it is a URL of this store that can be
    /// verified without asking anyone; none for every other URL.
    ///
    /// # Errors
    /// `denied`: the URL is one of this store's and does not allow it (forged, expired, or made to
    /// write).
    fn readable(&self, url: &Url) -> Option<Result<ObjectKey>>;
}
