//! One bucket: its store, the signer of its URLs, its name, and its preferences for writes and
//! listings.

use std::sync::Arc;

use object_store::ObjectStore;
use url::Url;

use super::{KeyPages, ObjectKey, PartSizes, Presign};
use keynet_base::error::Result;

/// Bucket of an object store, with the signer of its URLs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: Arc<str>,
    store: Arc<dyn ObjectStore>,
    signer: Arc<dyn Presign>,
    parts: Option<PartSizes>,
    pages: Option<Arc<dyn KeyPages>>,
}

/// Access to buckets other than the default one.
pub trait OtherBuckets: std::fmt::Debug + Send + Sync {
    /// Returns the bucket called `name`, which need not exist.
    ///
    /// # Errors
    /// `invalid`: not a valid bucket name.
    fn open(&self, name: &str) -> Result<Bucket>;
}

impl Bucket {
    /// Creates a bucket called `name`; `signer` makes and verifies the URLs of the objects in
    /// `store`.
    pub fn new(name: &str, store: Arc<dyn ObjectStore>, signer: Arc<dyn Presign>) -> Self {
        Self { name: name.into(), store, signer, parts: None, pages: None }
    }

    /// Sends large objects in parts of these sizes. Without it, an object is sent as it is written.
    #[must_use]
    pub fn in_parts(self, parts: PartSizes) -> Self {
        Self { parts: Some(parts), ..self }
    }

    /// Lists through `pages`. Without it, a listing walks the store's folders.
    #[must_use]
    pub fn listed_by(self, pages: Arc<dyn KeyPages>) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// Name of the bucket in `s3://` locations.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(super) fn signer(&self) -> &dyn Presign {
        &*self.signer
    }

    pub(super) fn pages(&self) -> Option<&dyn KeyPages> {
        self.pages.as_deref()
    }

    pub(super) fn parts(&self) -> Option<PartSizes> {
        self.parts
    }

    /// Returns the key of the object that `url` names, if `url` is a URL of this bucket that can be
    /// verified locally. `None` for every other URL.
    ///
    /// # Errors
    /// `denied`: a URL of this bucket that does not permit reading.
    pub(super) fn key_of_url(&self, url: &Url) -> Result<Option<ObjectKey>> {
        self.signer.readable(url).transpose()
    }
}
