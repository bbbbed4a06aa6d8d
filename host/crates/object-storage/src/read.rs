//! Reading: whole objects, parts of open objects, and metadata.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{Attribute, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore};

use super::collect::{collect, read_by_caller};
use super::fetch::OpenUrl;
use super::{
    Bucket, Location, ObjectKey, ObjectStorage, StorageLimits, check_etag, failure, within,
};
use keynet_base::budget::{CallBudget, Reservation};
use keynet_base::error::{Error, Result};
use keynet_base::limits;

/// Bytes that were read, with their memory reservation.
#[derive(Debug)]
pub struct ReadBytes {
    /// Bytes of the object or of the requested part.
    pub bytes: Bytes,
    /// Memory reserved for them; keep it as long as the bytes.
    pub reservation: Reservation,
}

/// Metadata of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Location of the object.
    pub location: Location,
    /// Size in bytes.
    pub size: u64,
    /// MIME type; `None` in a listing or if unknown.
    pub content_type: Option<String>,
    /// Etag of this content, if the store has etags.
    pub etag: Option<String>,
    /// Last modification, in milliseconds since 1970-01-01 UTC; `None` for earlier dates.
    pub modified_ms: Option<u64>,
}

impl ObjectInfo {
    pub(super) fn new(location: Location, meta: ObjectMeta, content_type: Option<String>) -> Self {
        let modified_ms = u64::try_from(meta.last_modified.timestamp_millis()).ok();
        Self { location, size: meta.size, content_type, etag: meta.e_tag, modified_ms }
    }
}

impl ObjectInfo {
    /// Returns the size of its texts, in bytes.
    pub fn text_bytes(&self) -> u64 {
        let of = |text: &Option<String>| text.as_ref().map_or(0, |text| text.capacity() as u64);
        self.location.text_bytes() + of(&self.content_type) + of(&self.etag)
    }

    /// Checks the metadata that the store sent.
    ///
    /// # Errors
    /// `unavailable`: an etag that is longer than the limit; without an etag, a replaced object
    /// cannot be detected.
    fn check(&self) -> Result<()> {
        match &self.etag {
            Some(etag) if etag.len() > limits::ETAG => Err(Error::unavailable(format!(
                "the server of `{}` sent an etag of {} bytes, more than the {} it can have",
                self.location.label(),
                etag.len(),
                limits::ETAG
            ))),
            _ => Ok(()),
        }
    }
}

/// Object opened for reading; its bytes stay in the store until they are read. Every read returns
/// the content that was current when the object was opened.
#[derive(Debug, Clone)]
pub struct OpenObject {
    source: Source,
    info: ObjectInfo,
    limits: StorageLimits,
}

/// Origin of the bytes of an open object.
#[derive(Debug, Clone)]
enum Source {
    Store(Arc<dyn ObjectStore>, ObjectKey),
    Url(OpenUrl),
}

/// Origin that a location resolves to.
enum Place<'a> {
    Object(Bucket, ObjectKey),
    Url(&'a url::Url),
}

impl ObjectStorage {
    /// Reads a whole object.
    ///
    /// # Errors
    /// `not-found`; `precondition-failed`: the etag still is `if_none_match`; `too-large`: more
    /// than [`StorageLimits::max_object_read`], or more than the budget has memory for.
    pub async fn get(
        &self,
        location: &Location,
        if_none_match: Option<String>,
        budget: &CallBudget,
    ) -> Result<ReadBytes> {
        if let Some(etag) = &if_none_match {
            check_etag(etag)?;
        }
        let label = location.label();
        within(budget, async {
            match self.place(location)? {
                Place::Object(bucket, key) => {
                    let options = GetOptions { if_none_match, ..read_by_caller() };
                    let found = ask(&bucket, &key, &label, options).await?;
                    self.limits.check_read(found.meta.size, &label)?;
                    collect(found, &label, budget).await
                }
                Place::Url(url) => {
                    self.fetcher
                        .get(url, if_none_match.as_deref(), &self.urls, &self.limits, budget)
                        .await
                }
            }
        })
        .await
    }

    /// Opens an object to read parts of it.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn open(&self, location: &Location, budget: &CallBudget) -> Result<OpenObject> {
        let (source, info) = match self.place(location)? {
            Place::Object(bucket, key) => {
                let info = self.head(location, budget).await?;
                (Source::Store(Arc::clone(bucket.store()), key), info)
            }
            Place::Url(url) => {
                let (open, info) =
                    within(budget, self.fetcher.open(url, &self.urls, budget)).await?;
                (Source::Url(open), info)
            }
        };
        info.check()?;
        Ok(OpenObject { source, info, limits: self.limits.clone() })
    }

    /// Returns the metadata of an object.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn head(&self, location: &Location, budget: &CallBudget) -> Result<ObjectInfo> {
        match self.place(location)? {
            Place::Object(bucket, key) => {
                let options = GetOptions { head: true, ..GetOptions::default() };
                let found = within(budget, ask(&bucket, &key, &location.label(), options)).await?;
                let content_type = content_type_of(&found);
                checked(ObjectInfo::new(location.clone(), found.meta, content_type))
            }
            Place::Url(url) => {
                checked(within(budget, self.fetcher.open(url, &self.urls, budget)).await?.1)
            }
        }
    }

    fn place<'a>(&self, location: &'a Location) -> Result<Place<'a>> {
        if let Location::Url(url) = location {
            let own = self.bucket.key_of_url(url)?;
            return Ok(own.map_or(Place::Url(url), |key| Place::Object(self.bucket.clone(), key)));
        }
        let (bucket, key) = self.object(location)?;
        Ok(Place::Object(bucket, key))
    }
}

fn checked(info: ObjectInfo) -> Result<ObjectInfo> {
    info.check().map(|()| info)
}

async fn ask(
    bucket: &Bucket,
    key: &ObjectKey,
    label: &str,
    options: GetOptions,
) -> Result<GetResult> {
    bucket
        .store()
        .get_opts(key.path(), options)
        .await
        .map_err(|error| failure::explain("read", label, error))
}

impl OpenObject {
    /// Returns the object's metadata.
    pub fn info(&self) -> &ObjectInfo {
        &self.info
    }

    /// Returns its size in bytes.
    pub fn size(&self) -> u64 {
        self.info.size
    }

    /// Returns its MIME type; `None` if the store does not know it.
    pub fn content_type(&self) -> Option<&str> {
        self.info.content_type.as_deref()
    }

    /// Returns the etag of its content; `None` if the store has none.
    pub fn etag(&self) -> Option<&str> {
        self.info.etag.as_deref()
    }

    /// Reads `length` bytes from byte `offset` on; fewer, or no bytes, at the end of the object.
    ///
    /// # Errors
    /// `not-found`: deleted since it was opened. `precondition-failed`: replaced since it was
    /// opened. `too-large`: more than [`StorageLimits::max_object_read`], or more than the budget
    /// has memory for.
    pub async fn read(&self, offset: u64, length: u64, budget: &CallBudget) -> Result<ReadBytes> {
        let label = self.info.location.label();
        let end = offset.saturating_add(length).min(self.size());
        let length = end.saturating_sub(offset);
        self.limits.check_read(length, &label)?;
        if length == 0 {
            return Ok(ReadBytes {
                bytes: Bytes::new(),
                reservation: budget.memory.reserve(0, "a part of an object")?,
            });
        }
        within(budget, async {
            let (store, key) = match &self.source {
                Source::Store(store, key) => (store, key),
                Source::Url(open) => return open.read(offset..end, &self.info, budget).await,
            };
            let range = Some(GetRange::Bounded(offset..end));
            let options =
                GetOptions { if_match: self.info.etag.clone(), range, ..read_by_caller() };
            let found = store.get_opts(key.path(), options).await;
            let found = found.map_err(|error| failure::explain("read", &label, error))?;
            collect(found, &label, budget).await
        })
        .await
    }
}

fn content_type_of(found: &GetResult) -> Option<String> {
    found.attributes.get(&Attribute::ContentType).map(|value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    #[test]
    fn an_object_whose_etag_is_sixty_thousand_bytes_is_not_opened() {
        let location = Location::parse("a").unwrap();
        let info = |bytes| ObjectInfo {
            location: location.clone(),
            size: 1,
            content_type: None,
            etag: Some("e".repeat(bytes)),
            modified_ms: None,
        };
        let error = checked(info(60_000)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert_eq!(
            error.message,
            "the server of `a` sent an etag of 60000 bytes, more than the 1024 it can have"
        );
        assert_eq!(checked(info(limits::ETAG)).unwrap().text_bytes(), 1 + limits::ETAG as u64);
    }
}
