//! Writing objects in parts, for objects that do not fit in memory.

use bytes::Bytes;
use object_store::{PutMultipartOptions, PutResult};

use super::parts::{Begun, Gathered, NotSent};
use super::{
    Bucket, ContentType, Location, ObjectKey, ObjectStorage, Stored, attributes, failure, within,
};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};

/// Object being written in parts. It becomes visible with [`Self::finish`]; dropping it before
/// aborts it.
#[derive(Debug)]
pub struct Upload {
    storage: ObjectStorage,
    bucket: Bucket,
    location: Location,
    key: ObjectKey,
    written: u64,
    /// `None` after it was finished or aborted, or after a write failed.
    way: Option<Way>,
}

/// Method of sending the parts to the store.
#[derive(Debug)]
enum Way {
    /// Every write is sent as one part.
    Direct(Begun),
    /// Writes are gathered into parts of the store's size.
    Gathered(Box<Gathered>),
}

impl ObjectStorage {
    /// Starts an upload in parts; location and content type as for [`ObjectStorage::put`].
    ///
    /// # Errors
    /// `invalid`: a URL.
    pub async fn create_upload(
        &self,
        location: Option<Location>,
        content_type: Option<ContentType>,
        budget: &CallBudget,
    ) -> Result<Upload> {
        let (location, bucket, key) = self.writable(location)?;
        let attributes = attributes(content_type);
        let begun = async {
            // `finish` needs this URL: if it cannot be made, fail before anything is sent.
            bucket.signer().presign_get(&key, self.limits.ttl(None)?).await?;
            if let Some(sizes) = bucket.parts() {
                let sizes = sizes.for_at_most(self.limits.max_object_write);
                return Ok(Way::Gathered(Box::new(Gathered::new(
                    bucket.clone(),
                    key.clone(),
                    attributes,
                    sizes,
                    budget,
                )?)));
            }
            let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
            let begun = bucket.store().put_multipart_opts(key.path(), options).await;
            Ok(Way::Direct(Begun::new(
                begun.map_err(|error| failure::explain("write", &location.label(), error))?,
            )))
        };
        let way = within(budget, begun).await?;
        Ok(Upload { storage: self.clone(), bucket, location, key, written: 0, way: Some(way) })
    }
}

impl Upload {
    /// Returns the location of the object.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the number of bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Reports whether it can be written to: neither finished nor aborted, and no write failed.
    pub fn is_open(&self) -> bool {
        self.way.is_some()
    }

    /// Appends `bytes`. A write that fails, or is dropped before it completes, aborts the upload.
    /// If parts are gathered, the failure of one may be reported by a later write or by
    /// [`Self::finish`].
    ///
    /// # Errors
    /// `invalid`: already finished or aborted. `too-large`: more than
    /// [`super::StorageLimits::max_object_write`] in total, or more than the budget has memory for.
    pub async fn write(&mut self, bytes: Bytes, budget: &CallBudget) -> Result<()> {
        let mut way = self.take()?;
        let total = self.written.saturating_add(bytes.len() as u64);
        self.storage.limits.check_write(total, &self.location.label())?;
        let location = &self.location;
        let sent = async move {
            let sent = match &mut way {
                _ if bytes.is_empty() => Ok(()),
                Way::Direct(begun) => begun.part(bytes).await.map_err(NotSent::Store),
                Way::Gathered(gathered) => gathered.write(bytes, budget.deadline).await,
            };
            sent.map_err(|error| explain(location, error)).map(|()| way)
        };
        let way = within(budget, sent).await?;
        self.written = total;
        self.way = Some(way);
        Ok(())
    }

    /// Makes the object visible as a whole, replacing an existing object.
    ///
    /// # Errors
    /// `invalid`: already finished or aborted.
    pub async fn finish(&mut self, budget: &CallBudget) -> Result<Stored> {
        let way = self.take()?;
        let (bucket, key, location, ttl) =
            (&self.bucket, &self.key, &self.location, self.storage.limits.ttl(None));
        let finished = async {
            let url = bucket.signer().presign_get(key, ttl?).await?;
            let finished: Result<PutResult, NotSent> = match way {
                Way::Direct(begun) => begun.complete().await.map_err(NotSent::Store),
                Way::Gathered(mut gathered) => gathered.finish(budget.deadline).await,
            };
            let finished = finished.map_err(|error| explain(location, error))?;
            Ok(Stored { location: location.clone(), url, etag: finished.e_tag })
        };
        within(budget, finished).await
    }

    /// Discards the upload. Does nothing if it was already aborted or finished.
    ///
    /// # Errors
    /// The errors of the store. Data that could not be deleted is not visible either.
    pub async fn abort(&mut self, budget: &CallBudget) -> Result<()> {
        let Some(way) = self.way.take() else { return Ok(()) };
        let location = &self.location;
        let aborted = async {
            let aborted = match way {
                Way::Direct(begun) => begun.abort().await,
                Way::Gathered(mut gathered) => gathered.abort().await,
            };
            aborted
                .map_err(|error| failure::explain("abort the upload of", &location.label(), error))
        };
        within(budget, aborted).await
    }

    fn take(&mut self) -> Result<Way> {
        self.way.take().ok_or_else(|| {
            Error::invalid(format!(
                "the upload of `{}` was finished or aborted before, or a write of it failed",
                self.location.label()
            ))
        })
    }
}

fn explain(location: &Location, error: NotSent) -> Error {
    match error {
        NotSent::Ours(error) => error,
        NotSent::Store(error) => failure::explain("write", &location.label(), error),
    }
}
