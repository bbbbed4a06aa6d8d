//! `storage`: objects, accessed with the host's credentials.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::bindings::keynet::inference::storage as wit;
use super::granted_listing::{self, policy_name};
use super::held::{Held, Place};
use super::triton_predict::OpenTensor;
use super::{Backend, CallContext, CallError};
use crate::policy::Grants;
use keynet_base::error::{Error, Result};
use keynet_base::limits;
use keynet_models::inference::{Shape, Tensor};
use keynet_object_storage::{
    ContentType, Location, Objects, Prefix, PutConditions, ReadObject, WriteObject,
};

/// An object opened for reading; a resource of the guest.
pub type OpenObject = Held<Box<dyn ReadObject>>;

/// An object being written; a resource of the guest.
pub type OpenUpload = Held<Upload>;

/// An object being written, and its slot among the open uploads of its activation.
pub struct Upload {
    upload: Box<dyn WriteObject>,
    place: Option<Arc<()>>,
}

impl Upload {
    /// Releases its slot if it was finished or aborted: it then needs no file and no connection.
    fn settle(&mut self) {
        if !self.upload.is_open() {
            self.place = None;
        }
    }
}

/// Context of `storage` in a store.
pub struct StorageCtx {
    backend: Backend<dyn Objects>,
    grants: Arc<Grants>,
    calls: CallContext,
    /// Counter of open uploads: each of them holds a clone.
    uploads: Arc<()>,
}

impl StorageCtx {
    /// Creates the context for `backend`, within `grants`.
    pub fn new(backend: Backend<dyn Objects>, grants: Arc<Grants>, calls: CallContext) -> Self {
        Self { backend, grants, calls, uploads: Arc::default() }
    }

    /// Begins `call`, which needs the store: see [`Meter::allow`](super::meter::Meter::allow).
    fn backend(&self, call: &'static str) -> Result<Arc<dyn Objects>, CallError> {
        self.calls.meter.allow(call)?;
        Ok(self.backend.clone()?)
    }

    /// Returns the name of a location in a policy: `key` in the default bucket, else
    /// `s3://bucket/key`; `None` for a presigned URL.
    fn granted_name(storage: &dyn Objects, location: &Location) -> Option<String> {
        // A presigned URL itself permits reading its object; the store checks its signature.
        location.key().map(|key| policy_name(storage, location.bucket(), key.as_str()))
    }

    /// Converts the description of an object that the guest wrote. Includes a URL only if the guest
    /// may read the object.
    fn stored(&self, storage: &dyn Objects, stored: keynet_object_storage::Stored) -> wit::Stored {
        let readable = Self::granted_name(storage, &stored.location)
            .is_some_and(|name| self.grants.read.allows(&name));
        let url = if readable { stored.url.into() } else { String::new() };
        wit::Stored { location: stored.location.to_string(), url, etag: stored.etag }
    }

    /// Checks and returns the location that `call` reads.
    fn readable(
        &self,
        call: &'static str,
        text: &str,
    ) -> Result<(Arc<dyn Objects>, Location), CallError> {
        let (storage, location) = (self.backend(call)?, Location::parse(text)?);
        if let Some(name) = Self::granted_name(&*storage, &location) {
            self.grants.read.check("reading", &name)?;
        }
        Ok((storage, location))
    }

    /// Returns a slot among the open uploads.
    fn upload_place(&self) -> Result<Arc<()>> {
        if Arc::strong_count(&self.uploads) > limits::UPLOADS {
            return Err(Error::too_large(format!(
                "{} uploads are open, and an action may have no more at once: finish or abort one \
                    before the next",
                limits::UPLOADS
            )));
        }
        Ok(Arc::clone(&self.uploads))
    }

    /// Returns bytes for the guest, and holds their memory until they are lowered. The vector is
    /// the store's own if it has no other owner, so that most reads are copied only into the guest.
    fn lend(&self, read: keynet_object_storage::ReadBytes) -> Result<Vec<u8>> {
        let keynet_object_storage::ReadBytes { bytes, mut reservation } = read;
        if !bytes.is_unique() {
            reservation.resize(reservation.bytes() + bytes.len() as u64, "a copy of an object")?;
        }
        self.calls.meter.lend(reservation);
        Ok(bytes.into())
    }

    async fn wait<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T, CallError> {
        Ok(self.calls.meter.wait(call, answer).await??)
    }

    /// Waits as [`Self::wait`] for a call that reads bytes of an object.
    async fn read(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<keynet_object_storage::ReadBytes>>,
    ) -> Result<keynet_object_storage::ReadBytes, CallError> {
        let read = self.wait(call, answer).await?;
        self.calls.meter.received(read.bytes.len() as u64);
        Ok(read)
    }

    async fn put(
        &self,
        call: &'static str,
        bytes: Bytes,
        location: Option<String>,
        content_type: Option<String>,
        conditions: PutConditions,
    ) -> Result<wit::Stored, CallError> {
        let (storage, location) = self.writable(call, location.as_deref())?;
        let content_type = content_type.as_deref().map(ContentType::parse).transpose()?;
        let sent = bytes.len() as u64;
        let stored = storage.put(bytes, location, content_type, conditions, &self.calls.budget);
        let stored = self.calls.meter.send(call, sent, stored).await??;
        self.calls.meter.wrote(&stored.location);
        Ok(self.stored(&*storage, stored))
    }

    /// Checks and returns the location that `call` writes: the one it names, or a new one.
    fn writable(
        &self,
        call: &'static str,
        text: Option<&str>,
    ) -> Result<(Arc<dyn Objects>, Location), CallError> {
        let storage = self.backend(call)?;
        let location = text.map_or_else(|| Ok(Location::of(storage.new_key())), Location::parse)?;
        if let Some(name) = Self::granted_name(&*storage, &location) {
            self.grants.write.check("writing", &name)?;
        }
        Ok((storage, location))
    }
}

/// View that implements the generated traits.
pub struct StorageView<'a> {
    /// Context.
    pub ctx: &'a mut StorageCtx,
    /// Table of the activation's resources.
    pub table: &'a mut ResourceTable,
}

impl wit::Host for StorageView<'_> {
    async fn get(
        &mut self,
        location: String,
        if_none_match: Option<String>,
    ) -> Result<Vec<u8>, CallError> {
        let (storage, location) = self.ctx.readable("storage.get", &location)?;
        let read = storage.get(&location, if_none_match, &self.ctx.calls.budget);
        let read = self.ctx.read("storage.get", read).await?;
        Ok(self.ctx.lend(read)?)
    }

    async fn open(&mut self, location: String) -> Result<Resource<OpenObject>, CallError> {
        let (storage, location) = self.ctx.readable("storage.open", &location)?;
        let mut place = Place::take(self.ctx.calls.memory(), "an open object")?;
        let object =
            self.ctx.wait("storage.open", storage.open(&location, &self.ctx.calls.budget)).await?;
        // The source of the bytes holds the location too.
        let info = object.info();
        place.grow(info.text_bytes() + info.location.text_bytes(), "an open object")?;
        Ok(self.table.push(place.holds(object))?)
    }

    async fn head(&mut self, location: String) -> Result<wit::ObjectInfo, CallError> {
        let (storage, location) = self.ctx.readable("storage.head", &location)?;
        Ok(self
            .ctx
            .wait("storage.head", storage.head(&location, &self.ctx.calls.budget))
            .await?
            .into())
    }

    async fn put(
        &mut self,
        data: Vec<u8>,
        location: Option<String>,
        content_type: Option<String>,
        if_match: Option<String>,
        if_none_match: Option<String>,
    ) -> Result<wit::Stored, CallError> {
        self.ctx.calls.meter.allow("storage.put")?;
        let _held = self.ctx.calls.memory().reserve(data.len() as u64, "an object to write")?;
        let conditions = PutConditions { if_match, if_none_match };
        self.ctx.put("storage.put", data.into(), location, content_type, conditions).await
    }

    async fn put_tensor(
        &mut self,
        tensor: Resource<OpenTensor>,
        location: Option<String>,
        content_type: Option<String>,
    ) -> Result<wit::Stored, CallError> {
        let bytes = self.table.get(&tensor)?.data().clone();
        self.ctx
            .put("storage.put-tensor", bytes, location, content_type, PutConditions::default())
            .await
    }

    async fn create_upload(
        &mut self,
        location: Option<String>,
        content_type: Option<String>,
    ) -> Result<Resource<OpenUpload>, CallError> {
        let (storage, location) =
            self.ctx.writable("storage.create-upload", location.as_deref())?;
        let content_type = content_type.as_deref().map(ContentType::parse).transpose()?;
        let open = self.ctx.upload_place()?;
        let mut place = Place::take(self.ctx.calls.memory(), "an upload")?;
        place.grow(location.text_bytes(), "an upload")?;
        let upload = storage.create_upload(location, content_type, &self.ctx.calls.budget);
        let upload = self.ctx.wait("storage.create-upload", upload).await?;
        Ok(self.table.push(place.holds(Upload { upload, place: Some(open) }))?)
    }

    async fn presign(
        &mut self,
        location: String,
        ttl_seconds: Option<u32>,
    ) -> Result<String, CallError> {
        let (storage, location) = self.ctx.readable("storage.presign", &location)?;
        let ttl = ttl_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let url = self
            .ctx
            .wait("storage.presign", storage.presign(&location, ttl, &self.ctx.calls.budget))
            .await?;
        Ok(url.into())
    }

    async fn presign_put(
        &mut self,
        location: Option<String>,
        content_type: Option<String>,
        ttl_seconds: Option<u32>,
    ) -> Result<wit::WriteGrant, CallError> {
        let (storage, location) = self.ctx.writable("storage.presign-put", location.as_deref())?;
        let content_type = content_type.as_deref().map(ContentType::parse).transpose()?;
        let ttl = ttl_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let grant = storage.presign_put(location, content_type, ttl, &self.ctx.calls.budget);
        let grant = self.ctx.wait("storage.presign-put", grant).await?;
        Ok(wit::WriteGrant { location: grant.location.to_string(), url: grant.url.into() })
    }

    async fn list(
        &mut self,
        prefix: String,
        cursor: Option<String>,
    ) -> Result<wit::Page, CallError> {
        let storage = self.ctx.backend("storage.list")?;
        let prefix = Prefix::parse(&prefix)?;
        let listed = granted_listing::list(
            &*storage,
            &self.ctx.grants.read,
            &prefix,
            cursor.as_deref(),
            &self.ctx.calls.budget,
        );
        let page = self.ctx.wait("storage.list", listed).await?;
        // Counted a second time for the copy in the guest's types.
        let mut lent = page.reservation;
        lent.resize(lent.bytes().saturating_mul(2), "a listing")?;
        self.ctx.calls.meter.lend(lent);
        Ok(wit::Page {
            objects: page.objects.into_iter().map(Into::into).collect(),
            next: page.next,
        })
    }

    async fn delete(&mut self, location: String) -> Result<(), CallError> {
        let (storage, location) = self.ctx.writable("storage.delete", Some(&location))?;
        self.ctx.wait("storage.delete", storage.delete(&location, &self.ctx.calls.budget)).await
    }
}

impl wit::HostObject for StorageView<'_> {
    fn size(&mut self, object: Resource<OpenObject>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&object)?.info().size)
    }

    fn content_type(&mut self, object: Resource<OpenObject>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&object)?.info().content_type.clone())
    }

    fn etag(&mut self, object: Resource<OpenObject>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&object)?.info().etag.clone())
    }

    async fn read(
        &mut self,
        object: Resource<OpenObject>,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, CallError> {
        let object = self.table.get(&object)?;
        let read = object.read(offset, length, &self.ctx.calls.budget);
        let read = self.ctx.read("storage.object.read", read).await?;
        Ok(self.ctx.lend(read)?)
    }

    async fn to_tensor(
        &mut self,
        object: Resource<OpenObject>,
        data_type: super::bindings::keynet::inference::triton_predict::DataType,
        shape: Vec<i64>,
    ) -> Result<Resource<OpenTensor>, CallError> {
        self.ctx.calls.meter.allow("storage.object.to-tensor")?;
        let shape = Shape::new(shape)?;
        let object = self.table.get(&object)?;
        let place = Place::take(self.ctx.calls.memory(), "a tensor's handle")?;
        let read = object.read(0, object.info().size, &self.ctx.calls.budget);
        let read = self.ctx.read("storage.object.to-tensor", read).await?;
        let deadline = self.ctx.calls.budget.deadline;
        let tensor =
            Tensor::check(data_type.into(), shape, read.bytes, read.reservation, deadline).await?;
        Ok(self.table.push(place.holds(tensor))?)
    }

    fn drop(&mut self, object: Resource<OpenObject>) -> wasmtime::Result<()> {
        self.ctx.calls.meter.lowered();
        self.table.delete(object)?;
        Ok(())
    }
}

impl wit::HostUpload for StorageView<'_> {
    async fn write(
        &mut self,
        upload: Resource<OpenUpload>,
        data: Vec<u8>,
    ) -> Result<(), CallError> {
        let calls = self.ctx.calls.clone();
        calls.meter.allow("storage.upload.write")?;
        let _held = calls.memory().reserve(data.len() as u64, "a part of an upload")?;
        let (open, sent) = (self.table.get_mut(&upload)?, data.len() as u64);
        let written = open.upload.write(data.into(), &calls.budget);
        let written = calls.meter.send("storage.upload.write", sent, written).await?;
        open.settle();
        Ok(written?)
    }

    async fn finish(&mut self, upload: Resource<OpenUpload>) -> Result<wit::Stored, CallError> {
        let (calls, storage) = (self.ctx.calls.clone(), self.ctx.backend("storage.upload.finish")?);
        let open = self.table.get_mut(&upload)?;
        let stored =
            calls.meter.wait("storage.upload.finish", open.upload.finish(&calls.budget)).await?;
        open.settle();
        let stored = stored?;
        calls.meter.wrote(&stored.location);
        Ok(self.ctx.stored(&*storage, stored))
    }

    async fn abort(&mut self, upload: Resource<OpenUpload>) -> Result<(), CallError> {
        let calls = self.ctx.calls.clone();
        let open = self.table.get_mut(&upload)?;
        let aborted =
            calls.meter.wait("storage.upload.abort", open.upload.abort(&calls.budget)).await?;
        open.settle();
        Ok(aborted?)
    }

    fn drop(&mut self, upload: Resource<OpenUpload>) -> wasmtime::Result<()> {
        self.ctx.calls.meter.lowered();
        self.table.delete(upload)?;
        Ok(())
    }
}

impl From<keynet_object_storage::ObjectInfo> for wit::ObjectInfo {
    fn from(info: keynet_object_storage::ObjectInfo) -> Self {
        Self {
            location: info.location.to_string(),
            size: info.size,
            content_type: info.content_type,
            etag: info.etag,
            modified_ms: info.modified_ms,
        }
    }
}

struct HasStorage;

impl HasData for HasStorage {
    type Data<'a> = StorageView<'a>;
}

/// Adds `storage` to `linker`.
///
/// # Errors
/// It was already added.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> StorageView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasStorage>(linker, view)
}
