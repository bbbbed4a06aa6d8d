//! One bucket: where its objects are, who signs its URLs, and what it is called.

use std::sync::Arc;

use object_store::ObjectStore;

use super::{Location, ObjectKey, Presign};
use crate::error::{Error, Result};

/// A store of objects with its signer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: Arc<str>,
    store: Arc<dyn ObjectStore>,
    signer: Arc<dyn Presign>,
}

impl Bucket {
    /// A bucket called `name`; `signer` makes and recognises the URLs of what is in `store`.
    pub fn new(name: &str, store: Arc<dyn ObjectStore>, signer: Arc<dyn Presign>) -> Self {
        Self { name: name.into(), store, signer }
    }

    /// What `s3://` locations call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(super) fn signer(&self) -> &dyn Presign {
        &*self.signer
    }

    /// Refuses the name of another bucket.
    ///
    /// # Errors
    /// `denied`, naming this one.
    pub(super) fn check_name(&self, name: Option<&str>) -> Result<()> {
        match name {
            Some(other) if other != &*self.name => Err(Error::denied(format!(
                "the bucket `{other}` is not configured here: the only one is `{}` (AWS_BUCKET_NAME)",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    /// The key of an object of this bucket, whichever way `location` names it.
    ///
    /// # Errors
    /// `denied`: another bucket, or a URL of this store that does not allow to read. `unavailable`: any other URL.
    pub(super) fn key_of(&self, location: &Location) -> Result<ObjectKey> {
        match location {
            Location::Object { bucket, key } => {
                self.check_name(bucket.as_deref())?;
                Ok(key.clone())
            }
            Location::Url(url) => self.signer.readable(url).unwrap_or_else(|| {
                Err(Error::unavailable(format!(
                    "`{}` cannot be read: this version reads keys, `s3://{}/` locations and URLs that this store presigned",
                    location.label(),
                    self.name
                )))
            }),
        }
    }
}
