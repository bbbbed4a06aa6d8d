//! The interface between the storage and the signer of its URLs: the embedded store's own signer,
//! or S3's.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::{ContentType, ObjectKey};
use keynet_base::error::Result;

/// Creates URLs with which anyone can read or write one object for a limited time.
#[async_trait]
pub trait Presign: Debug + Send + Sync {
    /// Returns a URL that reads `key` for `ttl`. The object need not exist.
    ///
    /// # Errors
    /// `unavailable`: this store cannot be reached from outside; the text says what to configure.
    async fn presign_get(&self, key: &ObjectKey, ttl: Duration) -> Result<Url>;

    /// Returns a URL that writes `key` for `ttl`, by a PUT request with exactly this
    /// `Content-Type`.
    ///
    /// # Errors
    /// The same as for [`Self::presign_get`].
    async fn presign_put(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        ttl: Duration,
    ) -> Result<Url>;

    /// Returns the key that `url` permits to read, if it is a URL of this store that can be
    /// verified locally. `None` for every other URL.
    ///
    /// # Errors
    /// `denied`: the URL is one of this store's and does not permit reading (forged, expired, or
    /// made for writing).
    fn readable(&self, url: &Url) -> Option<Result<ObjectKey>>;
}
