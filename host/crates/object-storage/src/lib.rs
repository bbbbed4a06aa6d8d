//! Objects: the location grammar, one facade over `object_store`, presigned URLs, and an embedded
//! store in a folder.
//!
//! A capability parses a [`Location`] at the edge and calls [`ObjectStorage`]; behind it are an
//! [`object_store::ObjectStore`] and a [`Presign`]er, together a [`Bucket`]. The folder store of
//! [`folder_store`] is one such pair, [`s3`] another. A URL that no bucket can verify is read by
//! [`fetch`], from whatever server it names, within what the policy grants.
//!
//! What a store must do for the facade: list in the order of the keys' bytes (or by [`KeyPages`]),
//! make every write visible as a whole, and answer conditional requests. What this room does not
//! do: it does not decide who may use which bucket or host (that is `policy`), and it knows nothing
//! of wasmtime.
//!
//! **Copies.** What is put is not copied: [`ObjectStorage::put`] hands the caller's `Bytes` to the
//! store. What is written to an [`Upload`] is handed to the folder store as it is, and copied once
//! into parts for S3. What is read is copied once, from the page cache or from the network's
//! chunks, into the `Bytes` of the answer, which were reserved before.
//!
//! **Time.** Every call ends at its [`CallBudget`]'s deadline with `timeout`. A write that timed
//! out before the store began to make it visible is thrown away; after that it may still appear, as
//! a whole.

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
pub use parts::PartSizes;
pub use prefix::Prefix;
pub use presign::Presign;
pub use read::{ObjectInfo, OpenObject, ReadBytes};
pub use upload::Upload;

use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::limits;

const SPENDER: &str = "the object store";

/// How much an action may read and write at once, and how long what it signs may live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageLimits {
    /// Bytes of one `get` or one read of an open object (`KEYNET_STORAGE_MAX_READ`).
    pub max_object_read: u64,
    /// Bytes of one object that is put or uploaded (`KEYNET_STORAGE_MAX_WRITE`).
    pub max_object_write: u64,
    /// How long a presigned URL is valid when nothing else is asked for.
    pub default_ttl: Duration,
    /// How long a presigned URL may be valid. S3 allows no more than 7 days.
    pub max_ttl: Duration,
}

impl Default for StorageLimits {
    /// 256 MiB to read, 1 GiB to write, 6,000 s unless asked for, at most 7 days.
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

    /// The limit of a read, and how to do with it.
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

/// What must hold for [`ObjectStorage::put`] to write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutConditions {
    /// Only over the content that has this etag.
    pub if_match: Option<String>,
    /// Only `*` is allowed: only where nothing is.
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

/// Etags travel in headers and are lists there: only one, and nothing that a header cannot hold.
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

/// Where an object went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The location it was given, or the new one.
    pub location: Location,
    /// A presigned URL that reads it, valid for [`StorageLimits::default_ttl`].
    pub url: Url,
    /// The store's tag for the new content, where it has one.
    pub etag: Option<String>,
}

/// A URL that lets anyone write one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteGrant {
    /// Where the object will be.
    pub location: Location,
    /// Where to send the bytes, by PUT.
    pub url: Url,
}

/// What actions do with objects, whichever store is behind it. Cheap to clone.
///
/// Every call takes a [`CallBudget`]: the bytes of answers are reserved from its memory before they
/// are allocated, and the call fails with `timeout` at its deadline. Any call may also fail with
/// `denied` (another bucket than the configured one, or the store refuses) and `unavailable`; the
/// others are named.
#[derive(Debug, Clone)]
pub struct ObjectStorage {
    bucket: Bucket,
    others: Option<Arc<dyn OtherBuckets>>,
    fetcher: Fetcher,
    urls: UrlRules,
    limits: StorageLimits,
}

impl ObjectStorage {
    /// Storage on one bucket, which is the default one. URLs that it cannot verify are read at
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

    /// Storage on an S3 store: its bucket is the default one, its other buckets are there too, and
    /// its own URLs are read wherever it is, unless a caller brought it: then they are URLs as any
    /// other.
    pub fn of_s3(store: &s3::S3Store, limits: StorageLimits) -> Self {
        let fetcher = store.own_server().map_or_else(Fetcher::default, Fetcher::beside);
        Self { others: Some(Arc::new(store.clone())), fetcher, ..Self::new(store.bucket(), limits) }
    }

    /// The same, for somebody who may read the URLs that `rules` allow.
    #[must_use]
    pub fn with_url_rules(&self, rules: UrlRules) -> Self {
        Self { urls: rules, ..self.clone() }
    }

    /// Its limits.
    pub fn limits(&self) -> &StorageLimits {
        &self.limits
    }

    /// The name of the bucket that keys without one mean.
    pub fn default_bucket(&self) -> &str {
        self.bucket.name()
    }

    /// Stores `bytes`, replacing what is there; at a new key `YYYYMMDD/uuid` where `location` is
    /// none, as `application/octet-stream` where `content_type` is none. The bytes are not copied.
    ///
    /// # Errors
    /// `invalid`: a URL, or conditions that cannot be. `precondition-failed`: `conditions` do not
    /// hold. `too-large`: more than
    /// [`StorageLimits::max_object_write`].
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
            // First: where no URL can be made (nothing to reach the store by), nothing shall be
            // written either.
            let url = bucket.signer().presign_get(&key, self.limits.ttl(None)?).await?;
            let written = match bucket.parts() {
                Some(sizes) if sizes.apply_to(&bytes, &options) => {
                    parts::put(&bucket, &key, bytes, options.attributes, sizes).await
                }
                _ => bucket.store().put_opts(key.path(), PutPayload::from(bytes), options).await,
            };
            let etag = written.map_err(|error| match failure::explain("write", &label, error) {
                // An S3 store answers so when the object whose etag was asked for is gone.
                gone if updates && gone.kind == ErrorKind::NotFound => {
                    Error::precondition_failed(gone.message)
                }
                other => other,
            })?;
            Ok(Stored { location, url, etag: etag.e_tag })
        })
        .await
    }

    /// A URL with which anyone can read the object for `ttl`, none for
    /// [`StorageLimits::default_ttl`]. It need not be there.
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

    /// A URL with which anyone can write the object for `ttl`, by a PUT with this content type; the
    /// rest as for [`Self::put`].
    ///
    /// # Errors
    /// As [`Self::presign`].
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

    /// Deletes an object; deleting one that is not there succeeds.
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

    /// The location to write to, a new one if none is given, its bucket and its key.
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

    /// The bucket and the key of a location that is no URL.
    fn object(&self, location: &Location) -> Result<(Bucket, ObjectKey)> {
        match location {
            Location::Object { bucket, key } => {
                Ok((self.bucket_called(bucket.as_deref())?, key.clone()))
            }
            Location::Url(_) => Err(Error::internal("a URL was taken for an object")),
        }
    }

    /// The bucket of this name, the default one for none.
    ///
    /// # Errors
    /// `denied`: there is only one here.
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

/// What `call` answers by the deadline.
async fn within<T>(budget: &CallBudget, call: impl Future<Output = Result<T>>) -> Result<T> {
    budget.within(SPENDER, deadline::by(budget.deadline, call)).await
}

fn attributes(content_type: Option<ContentType>) -> Attributes {
    let content_type = content_type.unwrap_or_else(ContentType::octet_stream);
    Attributes::from_iter([(Attribute::ContentType, content_type.as_str().to_owned())])
}
