//! Multipart upload of an object of the folder, to a file that is not visible before it is
//! complete.

use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt as _;
use object_store::{
    Attributes, MultipartUpload, PutMode, PutPayload, PutResult, Result, UploadPart,
};

use super::super::failure::carry;
use super::folder::{Inner, writing};
use super::staging::Staged;
use keynet_base::error::Error;
use keynet_base::quote::shown;

/// Multipart upload. Aborted when dropped before it is complete.
#[derive(Debug)]
pub(super) struct FolderUpload {
    inner: Arc<Inner>,
    key: String,
    attributes: Attributes,
    offset: u64,
    /// Locked while a part is written, so that completing or aborting waits for parts whose callers
    /// have gone away.
    staged: Arc<Mutex<Option<Staged>>>,
}

impl FolderUpload {
    pub(super) fn new(
        inner: Arc<Inner>,
        key: String,
        attributes: Attributes,
        staged: Staged,
    ) -> Self {
        Self { inner, key, attributes, offset: 0, staged: Arc::new(Mutex::new(Some(staged))) }
    }
}

fn take(staged: &Mutex<Option<Staged>>) -> Option<Staged> {
    staged.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn ended(key: &str) -> object_store::Error {
    carry(Error::invalid(format!("the upload of `{}` was finished or aborted before", shown(key))))
}

#[async_trait]
impl MultipartUpload for FolderUpload {
    fn put_part(&mut self, part: PutPayload) -> UploadPart {
        let mut offset = self.offset;
        self.offset += part.content_length() as u64;
        let (staged, key) = (Arc::clone(&self.staged), self.key.clone());
        let inner = Arc::clone(&self.inner);
        async move {
            let queue = Arc::clone(&inner.writing);
            let written = queue.run(move || {
                let mut staged = staged.lock().unwrap_or_else(PoisonError::into_inner);
                let staged = staged.as_mut().ok_or_else(|| ended(&key))?;
                let length = part.content_length() as u64;
                staged.share.grow(&inner.tree, length).map_err(|fault| writing(&key, fault))?;
                for bytes in &part {
                    staged
                        .file
                        .write_all_at(bytes, offset)
                        .map_err(|error| writing(&key, error.into()))?;
                    offset += bytes.len() as u64;
                }
                Ok(())
            });
            written.await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (inner, staged, key) =
            (Arc::clone(&self.inner), Arc::clone(&self.staged), self.key.clone());
        let attributes = self.attributes.clone();
        let completed = self.inner.writing.run(move || {
            let staged = take(&staged).ok_or_else(|| ended(&key))?;
            inner.publish(&key, staged, &PutMode::Overwrite, &attributes)
        });
        completed.await
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = Arc::clone(&self.staged);
        Ok(tokio::task::spawn_blocking(move || drop(take(&staged))).await?)
    }
}

impl Drop for FolderUpload {
    fn drop(&mut self) {
        let staged = Arc::clone(&self.staged);
        // Removing the file waits for a part that is still being written, so it must not run on an
        // asynchronous thread.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(take(&staged)))),
            Err(_) => drop(take(&staged)),
        }
    }
}
