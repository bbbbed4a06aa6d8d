//! The interface between actions and objects, so that other objects can take the place of a
//! store's: those of a recording.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use super::{
    ContentType, Location, ObjectInfo, ObjectKey, ObjectStorage, OpenObject, Page, Prefix,
    PutConditions, ReadBytes, Stored, Upload, WriteGrant,
};
use keynet_base::budget::CallBudget;
use keynet_base::error::Result;

/// Objects as actions use them. Each method is that of [`ObjectStorage`] with its name.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Returns the name of the default bucket, used for keys without a bucket.
    fn default_bucket(&self) -> &str;

    /// Generates an unused key for an object that is written without a location.
    fn new_key(&self) -> ObjectKey;

    /// Reads a whole object.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::get`].
    async fn get(
        &self,
        location: &Location,
        if_none_match: Option<String>,
        budget: &CallBudget,
    ) -> Result<ReadBytes>;

    /// Opens an object to read parts of it.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::open`].
    async fn open(&self, location: &Location, budget: &CallBudget) -> Result<Box<dyn ReadObject>>;

    /// Returns the metadata of an object.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::head`].
    async fn head(&self, location: &Location, budget: &CallBudget) -> Result<ObjectInfo>;

    /// Stores an object.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::put`].
    async fn put(
        &self,
        bytes: Bytes,
        location: Location,
        content_type: Option<ContentType>,
        conditions: PutConditions,
        budget: &CallBudget,
    ) -> Result<Stored>;

    /// Starts an upload in parts.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::create_upload`].
    async fn create_upload(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        budget: &CallBudget,
    ) -> Result<Box<dyn WriteObject>>;

    /// Returns a URL that reads the object.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::presign`].
    async fn presign(
        &self,
        location: &Location,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<Url>;

    /// Returns a URL that writes the object.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::presign_put`].
    async fn presign_put(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<WriteGrant>;

    /// Lists objects.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::list`].
    async fn list(
        &self,
        prefix: &Prefix,
        cursor: Option<&str>,
        budget: &CallBudget,
    ) -> Result<Page>;

    /// Deletes an object.
    ///
    /// # Errors
    /// Those of [`ObjectStorage::delete`].
    async fn delete(&self, location: &Location, budget: &CallBudget) -> Result<()>;
}

/// Object opened for reading, as [`OpenObject`].
#[async_trait]
pub trait ReadObject: Send + Sync {
    /// Returns the object's metadata.
    fn info(&self) -> &ObjectInfo;

    /// Reads `length` bytes from byte `offset` on; fewer, or no bytes, at the end of the object.
    ///
    /// # Errors
    /// Those of [`OpenObject::read`].
    async fn read(&self, offset: u64, length: u64, budget: &CallBudget) -> Result<ReadBytes>;
}

/// Object being written in parts, as [`Upload`].
#[async_trait]
pub trait WriteObject: Send {
    /// Reports whether it can be written to: neither finished nor aborted, and no write failed.
    fn is_open(&self) -> bool;

    /// Appends `bytes`.
    ///
    /// # Errors
    /// Those of [`Upload::write`].
    async fn write(&mut self, bytes: Bytes, budget: &CallBudget) -> Result<()>;

    /// Makes the object visible as a whole.
    ///
    /// # Errors
    /// Those of [`Upload::finish`].
    async fn finish(&mut self, budget: &CallBudget) -> Result<Stored>;

    /// Discards the upload.
    ///
    /// # Errors
    /// Those of [`Upload::abort`].
    async fn abort(&mut self, budget: &CallBudget) -> Result<()>;
}

#[async_trait]
impl Objects for ObjectStorage {
    fn default_bucket(&self) -> &str {
        Self::default_bucket(self)
    }

    fn new_key(&self) -> ObjectKey {
        ObjectKey::new_random()
    }

    async fn get(
        &self,
        location: &Location,
        if_none_match: Option<String>,
        budget: &CallBudget,
    ) -> Result<ReadBytes> {
        Self::get(self, location, if_none_match, budget).await
    }

    async fn open(&self, location: &Location, budget: &CallBudget) -> Result<Box<dyn ReadObject>> {
        Ok(Box::new(Self::open(self, location, budget).await?))
    }

    async fn head(&self, location: &Location, budget: &CallBudget) -> Result<ObjectInfo> {
        Self::head(self, location, budget).await
    }

    async fn put(
        &self,
        bytes: Bytes,
        location: Location,
        content_type: Option<ContentType>,
        conditions: PutConditions,
        budget: &CallBudget,
    ) -> Result<Stored> {
        Self::put(self, bytes, Some(location), content_type, conditions, budget).await
    }

    async fn create_upload(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        budget: &CallBudget,
    ) -> Result<Box<dyn WriteObject>> {
        Ok(Box::new(Self::create_upload(self, Some(location), content_type, budget).await?))
    }

    async fn presign(
        &self,
        location: &Location,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<Url> {
        Self::presign(self, location, ttl, budget).await
    }

    async fn presign_put(
        &self,
        location: Location,
        content_type: Option<ContentType>,
        ttl: Option<Duration>,
        budget: &CallBudget,
    ) -> Result<WriteGrant> {
        Self::presign_put(self, Some(location), content_type, ttl, budget).await
    }

    async fn list(
        &self,
        prefix: &Prefix,
        cursor: Option<&str>,
        budget: &CallBudget,
    ) -> Result<Page> {
        Self::list(self, prefix, cursor, budget).await
    }

    async fn delete(&self, location: &Location, budget: &CallBudget) -> Result<()> {
        Self::delete(self, location, budget).await
    }
}

#[async_trait]
impl ReadObject for OpenObject {
    fn info(&self) -> &ObjectInfo {
        Self::info(self)
    }

    async fn read(&self, offset: u64, length: u64, budget: &CallBudget) -> Result<ReadBytes> {
        Self::read(self, offset, length, budget).await
    }
}

#[async_trait]
impl WriteObject for Upload {
    fn is_open(&self) -> bool {
        Self::is_open(self)
    }

    async fn write(&mut self, bytes: Bytes, budget: &CallBudget) -> Result<()> {
        Self::write(self, bytes, budget).await
    }

    async fn finish(&mut self, budget: &CallBudget) -> Result<Stored> {
        Self::finish(self, budget).await
    }

    async fn abort(&mut self, budget: &CallBudget) -> Result<()> {
        Self::abort(self, budget).await
    }
}
