//! Uploads in parts, for stores that require it for large objects: the caller's bytes are gathered
//! into parts of one size, which are sent concurrently while more are gathered.
//!
//! An upload holds at most one part that is being filled and [`PartSizes::at_once`] that are being
//! sent, whatever its size; all of it is reserved from the activation's memory. An upload smaller
//! than one part is written with a single request when it is finished.

use std::time::Instant;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use object_store::{
    Attributes, MultipartUpload, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as StoreResult, UploadPart,
};
use tokio::task::JoinSet;

use super::{Bucket, ObjectKey, deadline};
use keynet_base::budget::{CallBudget, Reservation};
use keynet_base::call_observer;
use keynet_base::error::Error;

/// S3 accepts no more.
const MAX_PARTS: usize = 10_000;

/// Part sizes of a store that receives large objects in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSizes {
    /// Size of a part in bytes. S3 requires at least 5 MiB, except for the last.
    pub part: usize,
    /// Size in bytes above which a single put is sent in parts.
    pub threshold: usize,
    /// Number of parts that are sent at the same time.
    pub at_once: usize,
}

impl Default for PartSizes {
    /// Parts of 8 MiB, two at a time; puts above 32 MiB are sent in parts.
    fn default() -> Self {
        Self { part: 8 << 20, threshold: 32 << 20, at_once: 2 }
    }
}

impl PartSizes {
    /// Reports whether `bytes` are put in parts. A conditional put is always sent as one request,
    /// because the condition cannot be checked otherwise.
    pub(super) fn apply_to(&self, bytes: &Bytes, options: &PutOptions) -> bool {
        bytes.len() > self.threshold && options.mode == PutMode::Overwrite
    }

    /// Enlarges the parts so that an object of `bytes` needs no more than `MAX_PARTS` of them.
    pub(super) fn for_at_most(self, bytes: u64) -> Self {
        let least = usize::try_from(bytes.div_ceil(MAX_PARTS as u64)).unwrap_or(usize::MAX);
        Self { part: self.part.max(least), ..self }
    }
}

/// Puts `bytes` in parts, without copying them.
pub(super) async fn put(
    bucket: &Bucket,
    key: &ObjectKey,
    bytes: Bytes,
    attributes: Attributes,
    sizes: PartSizes,
) -> StoreResult<PutResult> {
    let sizes = sizes.for_at_most(bytes.len() as u64);
    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let mut upload = Begun::new(bucket.store().put_multipart_opts(key.path(), options).await?);
    let starts = (0..bytes.len()).step_by(sizes.part);
    let parts: Vec<UploadPart> = starts
        .map(|start| {
            upload.part(bytes.slice(start..bytes.len().min(start.saturating_add(sizes.part))))
        })
        .collect();
    let mut sent = stream::iter(parts).buffer_unordered(sizes.at_once);
    while let Some(part) = sent.next().await {
        part?;
    }
    drop(sent);
    upload.complete().await
}

/// Upload that gathers its bytes into parts.
#[derive(Debug)]
pub(super) struct Gathered {
    bucket: Bucket,
    key: ObjectKey,
    attributes: Attributes,
    sizes: PartSizes,
    filling: Vec<u8>,
    held: Reservation,
    /// Parts being sent, each with the memory it holds. Declared before `begun`, so that on drop
    /// the sends stop before the upload is aborted.
    sending: JoinSet<(StoreResult<()>, u64)>,
    begun: Option<Begun>,
    under_way: u64,
}

/// Reason why a part was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    Ours(Error),
    Store(object_store::Error),
}

impl From<object_store::Error> for NotSent {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for NotSent {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Gathered {
    pub(super) fn new(
        bucket: Bucket,
        key: ObjectKey,
        attributes: Attributes,
        sizes: PartSizes,
        budget: &CallBudget,
    ) -> Result<Self, Error> {
        let held = budget.memory.reserve(0, "an upload")?;
        Ok(Self {
            bucket,
            key,
            attributes,
            sizes,
            filling: Vec::new(),
            held,
            begun: None,
            sending: JoinSet::new(),
            under_way: 0,
        })
    }

    /// Appends `bytes`. Waits while the maximum number of parts is being sent.
    pub(super) async fn write(&mut self, mut bytes: Bytes, by: Instant) -> Result<(), NotSent> {
        while !bytes.is_empty() {
            let taken = bytes.split_to(bytes.len().min(self.sizes.part - self.filling.len()));
            self.make_room(taken.len())?;
            self.filling.extend_from_slice(&taken);
            if self.filling.len() == self.sizes.part {
                while self.sending.len() >= self.sizes.at_once {
                    self.one_is_sent().await?;
                }
                self.send(by).await?;
            }
        }
        Ok(())
    }

    /// Sends the last part and makes the object visible.
    pub(super) async fn finish(&mut self, by: Instant) -> Result<PutResult, NotSent> {
        if self.begun.is_none() {
            let options =
                PutOptions { attributes: self.attributes.clone(), ..PutOptions::default() };
            let payload = PutPayload::from(std::mem::take(&mut self.filling));
            return Ok(self.bucket.store().put_opts(self.key.path(), payload, options).await?);
        }
        if !self.filling.is_empty() {
            self.send(by).await?;
        }
        while !self.sending.is_empty() {
            self.one_is_sent().await?;
        }
        match self.begun.take() {
            Some(begun) => Ok(begun.complete().await?),
            None => Err(Error::internal("an upload went on after its end").into()),
        }
    }

    /// Discards everything that was sent.
    pub(super) async fn abort(&mut self) -> StoreResult<()> {
        self.filling = Vec::new();
        self.sending.shutdown().await;
        match self.begun.take() {
            Some(begun) => begun.abort().await,
            None => Ok(()),
        }
    }

    /// Makes room for `more` bytes in the part that is being filled. Reserves the memory first; the
    /// capacity at least doubles, up to one whole part.
    fn make_room(&mut self, more: usize) -> Result<(), Error> {
        let needed = self.filling.len() + more;
        if needed > self.filling.capacity() {
            let capacity = needed.max(self.filling.capacity() * 2).min(self.sizes.part);
            self.held.resize(self.under_way + capacity as u64, "a part of an upload")?;
            self.filling.reserve_exact(capacity - self.filling.len());
        }
        Ok(())
    }

    /// Starts to send the filled part; sending continues while the guest does other work.
    async fn send(&mut self, by: Instant) -> Result<(), NotSent> {
        let begun = match &mut self.begun {
            Some(begun) => begun,
            none => {
                let options = PutMultipartOptions {
                    attributes: self.attributes.clone(),
                    ..PutMultipartOptions::default()
                };
                none.insert(Begun::new(
                    self.bucket.store().put_multipart_opts(self.key.path(), options).await?,
                ))
            }
        };
        let part = std::mem::take(&mut self.filling);
        let holds = part.capacity() as u64;
        let sent = begun.part(part.into());
        self.under_way += holds;
        let sent = call_observer::carried(deadline::by(by, sent));
        self.sending.spawn(async move { (sent.await, holds) });
        Ok(())
    }

    async fn one_is_sent(&mut self) -> Result<(), NotSent> {
        match self.sending.join_next().await {
            Some(Ok((sent, held))) => {
                self.under_way -= held;
                self.held.resize(
                    self.under_way + self.filling.capacity() as u64,
                    "a part of an upload",
                )?;
                Ok(sent?)
            }
            Some(Err(_)) => Err(Error::internal("sending a part of an upload panicked").into()),
            None => Ok(()),
        }
    }
}

/// Upload that was started at the store. Aborted when it is dropped before completion, which not
/// every store does by itself.
#[derive(Debug)]
pub(super) struct Begun(Option<Box<dyn MultipartUpload>>);

impl Begun {
    pub(super) fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self(Some(upload))
    }

    pub(super) fn part(&mut self, bytes: Bytes) -> UploadPart {
        match &mut self.0 {
            Some(upload) => upload.put_part(PutPayload::from(bytes)),
            None => Box::pin(std::future::ready(Err(over()))),
        }
    }

    pub(super) async fn complete(mut self) -> StoreResult<PutResult> {
        let completed = self.0.as_mut().ok_or_else(over)?.complete().await?;
        self.0 = None;
        Ok(completed)
    }

    pub(super) async fn abort(mut self) -> StoreResult<()> {
        self.0.as_mut().ok_or_else(over)?.abort().await?;
        self.0 = None;
        Ok(())
    }
}

fn over() -> object_store::Error {
    super::failure::carry(Error::internal("an upload went on after its end"))
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let (Some(mut open), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                if let Err(error) = open.abort().await {
                    tracing::debug!(%error, "an abandoned upload could not be aborted");
                }
            });
        }
    }
}
