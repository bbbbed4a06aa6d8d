//! URLs with which anyone can read or write one object, signed with the store's key (Signature
//! Version 4, in the query).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use object_store::aws::AmazonS3;
use object_store::signer::{Method, SignedUrlOptions, Signer as _};
use url::Url;

use super::super::{ContentType, ObjectKey, Presign, failure};
use keynet_base::error::{Error, Result};

/// Signer that uses the key of an S3 store.
#[derive(Debug)]
pub(super) struct S3Signer(Arc<AmazonS3>);

impl S3Signer {
    pub(super) fn new(store: Arc<AmazonS3>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Presign for S3Signer {
    async fn presign_get(&self, key: &ObjectKey, ttl: Duration) -> Result<Url> {
        let signed = self.0.signed_url(Method::GET, key.path(), ttl).await;
        signed.map_err(|error| failure::explain("sign a URL of", key.as_str(), error))
    }

    async fn presign_put(
        &self,
        key: &ObjectKey,
        content_type: &ContentType,
        ttl: Duration,
    ) -> Result<Url> {
        let value = HeaderValue::from_str(content_type.as_str())
            .map_err(|error| Error::invalid(error.to_string()))?;
        let options = SignedUrlOptions::new().with_signed_header(CONTENT_TYPE, value);
        let signed = self.0.signed_url_opts(Method::PUT, key.path(), ttl, &options).await;
        signed.map_err(|error| failure::explain("sign a URL of", key.as_str(), error))
    }

    fn readable(&self, _: &Url) -> Option<Result<ObjectKey>> {
        None // only the store can verify it
    }
}
