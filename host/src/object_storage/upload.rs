//! Writing in parts what does not fit in memory.

use bytes::Bytes;
use object_store::{MultipartUpload, PutMultipartOptions, PutPayload};

use super::{ContentType, Location, ObjectKey, ObjectStorage, Stored, attributes, failure, within};
use crate::budget::CallBudget;
use crate::error::{Error, Result};

/// An object being written in parts. Nobody sees it before [`Self::finish`]; dropped without, it is aborted.
#[derive(Debug)]
pub struct Upload {
    storage: ObjectStorage,
    location: Location,
    key: ObjectKey,
    written: u64,
    /// None once it was finished or aborted, or a write failed.
    parts: Option<Parts>,
}

impl ObjectStorage {
    /// Begins to write an object in parts; location and content type as for [`ObjectStorage::put`].
    ///
    /// # Errors
    /// `invalid`: a URL.
    pub async fn create_upload(
        &self,
        location: Option<Location>,
        content_type: Option<ContentType>,
        budget: &CallBudget,
    ) -> Result<Upload> {
        let (location, key) = self.writable(location)?;
        let options = PutMultipartOptions { attributes: attributes(content_type), ..PutMultipartOptions::default() };
        let begun = async {
            // What `finish` will need; better known before anything is sent.
            self.bucket.signer().presign_get(&key, self.limits.ttl(None)?).await?;
            let begun = self.bucket.store().put_multipart_opts(key.path(), options).await;
            begun.map_err(|error| failure::explain("write", &location.label(), error))
        };
        let parts = Parts(Some(within(budget, begun).await?));
        Ok(Upload { storage: self.clone(), location, key, written: 0, parts: Some(parts) })
    }
}

impl Upload {
    /// Where the object will be.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends `bytes`, which are not copied. A write that fails, or is dropped before it ended, aborts the upload.
    ///
    /// # Errors
    /// `invalid`: finished or aborted before. `too-large`: more than [`super::StorageLimits::max_object_write`] in all.
    pub async fn write(&mut self, bytes: Bytes, budget: &CallBudget) -> Result<()> {
        let mut parts = self.take()?;
        let total = self.written.saturating_add(bytes.len() as u64);
        self.storage.limits.check_write(total, &self.location.label())?;
        if !bytes.is_empty() {
            let sent = async {
                let sent = parts.open()?.put_part(PutPayload::from(bytes)).await;
                sent.map_err(|error| failure::explain("write", &self.location.label(), error))
            };
            within(budget, sent).await?;
        }
        self.written = total;
        self.parts = Some(parts);
        Ok(())
    }

    /// Makes the object visible as a whole, replacing what is there.
    ///
    /// # Errors
    /// `invalid`: finished or aborted before.
    pub async fn finish(&mut self, budget: &CallBudget) -> Result<Stored> {
        let mut parts = self.take()?;
        let finished = async {
            let ttl = self.storage.limits.ttl(None)?;
            let url = self.storage.bucket.signer().presign_get(&self.key, ttl).await?;
            let finished = parts.open()?.complete().await;
            let finished = finished.map_err(|error| failure::explain("write", &self.location.label(), error))?;
            Ok(Stored { location: self.location.clone(), url, etag: finished.e_tag })
        };
        let stored = within(budget, finished).await?;
        parts.0 = None;
        Ok(stored)
    }

    /// Throws away what was written; doing so twice, or after [`Self::finish`], changes nothing.
    ///
    /// # Errors
    /// What the store answers. What it could not throw away is not visible either.
    pub async fn abort(&mut self, budget: &CallBudget) -> Result<()> {
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        let aborted = async {
            let aborted = parts.open()?.abort().await;
            aborted.map_err(|error| failure::explain("abort the upload of", &self.location.label(), error))
        };
        within(budget, aborted).await?;
        parts.0 = None;
        Ok(())
    }

    fn take(&mut self) -> Result<Parts> {
        self.parts.take().ok_or_else(|| {
            Error::invalid(format!("the upload of `{}` was finished or aborted before, or a write of it failed", self.location.label()))
        })
    }
}

/// The store's side of an upload, aborted when dropped: not every store does that by itself.
#[derive(Debug)]
struct Parts(Option<Box<dyn MultipartUpload>>);

impl Parts {
    fn open(&mut self) -> Result<&mut Box<dyn MultipartUpload>> {
        self.0.as_mut().ok_or_else(|| Error::internal("an upload went on after its end"))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let (Some(mut open), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = open.abort().await {
                    tracing::debug!(%error, "an abandoned upload could not be aborted");
                }
            });
        }
    }
}
