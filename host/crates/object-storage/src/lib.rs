//! Object storage: the location grammar, one facade over `object_store`, presigned URLs, and an
//! embedded store in a folder.
//!
//! A capability parses a [`Location`] at the edge and calls [`ObjectStorage`]; behind it are an
//! [`object_store::ObjectStore`] and a [`Presign`]er, together a [`Bucket`]. The folder store of
//! [`folder_store`] is one such pair, [`s3`] another. A URL that no bucket can verify is read by
//! [`fetch`], from any server that the policy grants.
//!
//! A store has to list in the order of the keys' bytes (or provide [`KeyPages`]), make every write
//! visible atomically, and support conditional requests. This crate does not decide who may use
//! which bucket or host (`policy` does), and it knows nothing of wasmtime.
//!
//! **Copies.** [`ObjectStorage::put`] hands the caller's `Bytes` to the store without a copy. Bytes
//! written to an [`Upload`] are handed to the folder store without a copy, and copied once into
//! parts for S3. Bytes that are read are copied once, from the page cache or from the network's
//! chunks, into the returned `Bytes`, whose memory was reserved before.
//!
//! **Deadlines.** Every call fails with `timeout` at its [`CallBudget`]'s deadline. A write that
//! timed out before the store began to make it visible is discarded; after that it may still
//! appear, as a whole.

mod bucket;
mod collect;
mod content_type;
mod deadline;
mod failure;
pub mod fetch;
pub mod folder_store;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod listing;
mod location;
mod objects;
mod parts;
mod prefix;
mod presign;
mod read;
pub mod s3;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::{
    Attribute, Attributes, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use url::Url;

pub use bucket::{Bucket, OtherBuckets};
pub use content_type::ContentType;
use fetch::Fetcher;
pub use fetch::{OwnServer, OwnUrls, UrlRules};
pub use listing::{Cursor, PAGE_OBJECTS};
pub use listing::{KeyPage, KeyPages, Page};
pub use location::{Location, ObjectKey};
pub use objects::{Objects, ReadObject, WriteObject};
pub use parts::PartSizes;
pub use prefix::Prefix;
pub use presign::Presign;
pub use read::{ObjectInfo, OpenObject, ReadBytes};
pub use upload::Upload;

use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::limits;

const SPENDER: &str = "the object store";

/// Limits of a single read or write of an action, and of the validity of presigned URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageLimits {
    /// Largest `get` or single read of an open object, in bytes (`KEYNET_STORAGE_MAX_READ`).
    pub max_object_read: u64,
    /// Largest object that is put or uploaded, in bytes (`KEYNET_STORAGE_MAX_WRITE`).
    pub max_object_write: u64,
    /// Validity of a presigned URL when the caller requests none.
    pub default_ttl: Duration,
    /// Longest validity of a presigned URL. S3 allows no more than 7 days.
    pub max_ttl: Duration,
}

impl Default for StorageLimits {
    /// 256 MiB to read, 1 GiB to write, a default validity of 6,000 s, at most 7 days.
    fn default() -> Self {
        Self {
            max_object_read: 256 << 20,
            max_object_write: 1 << 30,
            default_ttl: Duration::from_secs(6000),
            max_ttl: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl StorageLimits {
    fn check_read(&self, bytes: u64, label: &str) -> Result<()> {
        if bytes <= self.max_object_read {
            return Ok(());
        }
        Err(Error::too_large(format!(
            "{bytes} bytes of `{label}` are more than {}",
            self.read_advice()
        )))
    }

    /// Returns the read limit as text, with advice on how to stay within it or raise it.
    fn read_advice(&self) -> String {
        let limit = self.max_object_read;
        format!(
            "the {limit} bytes an action may read at once: read it in parts, or raise \
                KEYNET_STORAGE_MAX_READ"
        )
    }

    fn check_write(&self, bytes: u64, label: &str) -> Result<()> {
        let limit = self.max_object_write;
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::too_large(format!(
            "{bytes} bytes for `{label}` are more than the {limit} an action may write: raise \
                KEYNET_STORAGE_MAX_WRITE"
        )))
    }

    fn ttl(&self, asked: Option<Duration>) -> Result<Duration> {
        let (ttl, max) = (asked.unwrap_or(self.default_ttl), self.max_ttl);
        if ttl.is_zero() || ttl > max {
            return Err(Error::invalid(format!(
                "a presigned URL is valid for 1 to {} seconds, not for {}",
                max.as_secs(),
                ttl.as_secs()
            )));
        }
        Ok(ttl)
    }
}

/// Conditions under which [`ObjectStorage::put`] writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutConditions {
    /// Write only if the current content has this etag.
    pub if_match: Option<String>,
    /// Only `*` is allowed: write only if the object does not exist.
    pub if_none_match: Option<String>,
}

impl PutConditions {
    fn mode(self) -> Result<PutMode> {
        match (self.if_match, self.if_none_match.as_deref()) {
            (None, None) => Ok(PutMode::Overwrite),
            (None, Some("*")) => Ok(PutMode::Create),
            (None, Some(_)) => Err(Error::invalid("a put's if-none-match can only be `*`")),
            (Some(_), Some(_)) => {
                Err(Error::invalid("a put has if-match or if-none-match, not both"))
            }
            (Some(etag), None) => {
                check_etag(&etag)?;
                Ok(PutMode::Update(UpdateVersion { e_tag: Some(etag), version: None }))
            }
        }
    }
}

/// Checks an etag. Etags travel in headers that hold lists, so exactly one is accepted, and only
/// characters that a header can hold.
fn check_etag(etag: &str) -> Result<()> {
    if etag.is_empty()
        || etag == "*"
        || etag.len() > limits::ETAG
        || !etag.bytes().all(|b| b.is_ascii_graphic() && b != b',')
    {
        return Err(Error::invalid(format!(
            "an etag is handed back as the store gave it: visible ASCII without commas, at most {} \
                bytes, not `*`",
            limits::ETAG
        )));
    }
    Ok(())
}

/// Result of storing an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Location that the caller gave, or the generated one.
    pub location: Location,
    /// Presigned URL that reads the object, valid for [`StorageLimits::default_ttl`].
    pub url: Url,
    /// Etag of the new content, if the store has etags.
    pub etag: Option<String>,
}

/// URL with which anyone can write one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteGrant {
    /// Location of the object.
    pub location: Location,
    /// URL to send the bytes to, with PUT.
    pub url: Url,
}

/// Object storage as actions use it, independent of the store behind it. Cheap to clone.
///
/// Every call takes a [`CallBudget`]: the bytes of responses are reserved from its memory before
/// they are allocated, and the call fails with `timeout` at its deadline. Any call may also fail
/// with `denied` (a bucket other than the configured one, or the store denies access) and
/// `unavailable`; other errors are listed per function.
#[derive(Debug, Clone)]
pub struct ObjectStorage {
    bucket: Bucket,
    others: Option<Arc<dyn OtherBuckets>>,
    fetcher: Fetcher,
    urls: UrlRules,
    limits: StorageLimits,
}

impl ObjectStorage {
    /// Creates storage whose default bucket is `bucket`. URLs that it cannot verify are read at
    /// public addresses only.
    pub fn new(bucket: Bucket, limits: StorageLimits) -> Self {
        Self {
            bucket,
            others: None,
            fetcher: Fetcher::default(),
            urls: UrlRules::default(),
            limits,
        }
    }

    /// Creates storage on an S3 store: its bucket is the default one and its other buckets are
    /// available. The store's own URLs are read at any address, unless the caller supplied the
    /// store: then they are treated like any other URL.
    pub fn of_s3(store: &s3::S3Store, limits: StorageLimits) -> Self {
        let fetcher = store.own_server().map_or_else(Fetcher::default, Fetcher::beside);
        Self { others: Some(Arc::new(store.clone())), fetcher, ..Self::new(store.bucket(), limits) }
    }

    /// Returns the same storage, restricted to the URLs that `rules` allow.
    #[must_use]
    pub fn with_url_rules(&self, rules: UrlRules) -> Self {
        Self { urls: rules, ..self.clone() }
    }

    /// Returns the limits.
    pub fn limits(&self) -> &StorageLimits {
        &self.limits
    }

    /// Returns the name of the default bucket, used for keys without a bucket.
    pub fn default_bucket(&self) -> &str {
        self.bucket.name()
    }

    /// Stores `bytes`, replacing an existing object. Without `location` the key is a new
    /// `YYYYMMDD/uuid`; without `content_type` the type is `application/octet-stream`. The bytes
    /// are not copied.
    ///
    /// # Errors
    /// `invalid`: a URL, or invalid conditions. `precondition-failed`: `conditions` do not hold.
    /// `too-large`: more than [`StorageLimits::max_object_write`].
    pub async fn put(
        &self,
        bytes: Bytes,
        location: Option<Location>,
        content_type: Option<ContentType>,
        conditions: PutConditions,
        budget: &CallBudget,
    ) -> Result<Stored> {
        let (location, bucket, key) = self.writable(location)?;
        let label = location.label();
        self.limits.check_write(bytes.len() as u64, &label)?;
        let updates = conditions.if_match.is_some();
        let options = PutOptions {
            mode: conditions.mode()?,
            attributes: attributes(content_type),
            ..PutOptions::default()
        };
        within(budget, async {
            // Signed first: if no URL can be made (no public address of the store is configured),
            // nothing must be written either.
            let url = bucket.signer().presign_get(&key, self.limits.ttl(None)?).await?;
            let written = match bucket.parts() {
                Some(sizes) if sizes.apply_to(&bytes, &options) => {
                    parts::put(&bucket, &key, bytes, options.attributes, sizes).await
                }
                _ => bucket.store().put_opts(key.path(), PutPayload::from(bytes), options).await,
            };
            let etag = written.map_err(|error| match failure::explain("write", &label, error) {
                // An S3 store responds so when the object of the `if_match` etag no longer exists.
                gone if updates && gone.kind == ErrorKind::NotFound => {
                    Error::precondition_failed(gone.message)
                }
                other => other,
            })?;
            Ok(Stored { location, url, etag: etag.e_tag })
        })
        .await
    }

    /// Returns a URL with which anyone can read the object for `ttl`, by default for
    /// [`StorageLimits::default_ttl`]. The object need not exist.
    ///
    /// # Errors
    /// `invalid`: a URL, or a `ttl` of zero or longer than [`StorageLimits::max_ttl`].
    pub async fn presign(
        &self,
        location: &Location,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<Url> {
        let ttl = self.limits.ttl(ttl)?;
        if matches!(location, Location::Url(_)) {
            return Err(Error::invalid(
                "a URL is not signed again: presign the key or `s3://` location of the object",
            ));
        }
        let (bucket, key) = self.object(location)?;
        within(budget, bucket.signer().presign_get(&key, ttl)).await
    }

    /// Returns a URL with which anyone can write the object for `ttl`, by a PUT with this content
    /// type. The defaults are those of [`Self::put`].
    ///
    /// # Errors
    /// The same as for [`Self::presign`].
    pub async fn presign_put(
        &self,
        location: Option<Location>,
        content_type: Option<ContentType>,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<WriteGrant> {
        let ttl = self.limits.ttl(ttl)?;
        let (location, bucket, key) = self.writable(location)?;
        let content_type = content_type.unwrap_or_else(ContentType::octet_stream);
        let url = within(budget, bucket.signer().presign_put(&key, &content_type, ttl)).await?;
        Ok(WriteGrant { location, url })
    }

    /// Deletes an object; deleting one that does not exist succeeds.
    ///
    /// # Errors
    /// `invalid`: a URL.
    pub async fn delete(&self, location: &Location, budget: &CallBudget) -> Result<()> {
        let (location, bucket, key) = self.writable(Some(location.clone()))?;
        within(budget, async {
            match bucket.store().delete(key.path()).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(failure::explain("delete", &location.label(), error)),
            }
        })
        .await
    }

    /// Returns the location to write to (a generated one for `None`), its bucket and its key.
    fn writable(&self, location: Option<Location>) -> Result<(Location, Bucket, ObjectKey)> {
        let location = location.unwrap_or_else(|| Location::of(ObjectKey::new_random()));
        if let Location::Url(_) = location {
            return Err(Error::invalid(format!(
                "`{}` is a URL, which can only be read: write to a key or an `s3://` location",
                location.label()
            )));
        }
        let (bucket, key) = self.object(&location)?;
        Ok((location, bucket, key))
    }

    /// Returns the bucket and the key of a location that is not a URL.
    fn object(&self, location: &Location) -> Result<(Bucket, ObjectKey)> {
        match location {
            Location::Object { bucket, key } => {
                Ok((self.bucket_called(bucket.as_deref())?, key.clone()))
            }
            Location::Url(_) => Err(Error::internal("a URL was taken for an object")),
        }
    }

    /// Returns the bucket of this name, the default one for `None`.
    ///
    /// # Errors
    /// `denied`: another bucket, and only the default one is configured.
    fn bucket_called(&self, name: Option<&str>) -> Result<Bucket> {
        match (name, &self.others) {
            (None, _) => Ok(self.bucket.clone()),
            (Some(name), _) if name == self.bucket.name() => Ok(self.bucket.clone()),
            (Some(name), Some(others)) => others.open(name),
            (Some(name), None) => Err(Error::denied(format!(
                "the bucket `{name}` is not configured here: the only one is `{}` (AWS_BUCKET_NAME)",
                self.bucket.name()
            ))),
        }
    }
}

/// Runs `call` until the deadline.
async fn within<T>(budget: &CallBudget, call: impl Future<Output = Result<T>>) -> Result<T> {
    budget.within(SPENDER, deadline::by(budget.deadline, call)).await
}

fn attributes(content_type: Option<ContentType>) -> Attributes {
    let content_type = content_type.unwrap_or_else(ContentType::octet_stream);
    Attributes::from_iter([(Attribute::ContentType, content_type.as_str().to_owned())])
}
