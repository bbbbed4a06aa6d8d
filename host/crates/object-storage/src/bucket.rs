//! One bucket: where its objects are, who signs its URLs, what it is called, and how it likes what
//! is written.

use std::sync::Arc;

use object_store::ObjectStore;
use url::Url;

use super::{KeyPages, ObjectKey, PartSizes, Presign};
use keynet_base::error::Result;

/// A store of objects with its signer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    name: Arc<str>,
    store: Arc<dyn ObjectStore>,
    signer: Arc<dyn Presign>,
    parts: Option<PartSizes>,
    pages: Option<Arc<dyn KeyPages>>,
}

/// Opens buckets besides the default one.
pub trait OtherBuckets: std::fmt::Debug + Send + Sync {
    /// The bucket called `name`, which need not be there.
    ///
    /// # Errors
    /// `invalid`: there can be none of this name.
    fn open(&self, name: &str) -> Result<Bucket>;
}

impl Bucket {
    /// A bucket called `name`; `signer` makes and recognises the URLs of what is in `store`.
    pub fn new(name: &str, store: Arc<dyn ObjectStore>, signer: Arc<dyn Presign>) -> Self {
        Self { name: name.into(), store, signer, parts: None, pages: None }
    }

    /// The same, with large objects sent in parts of these sizes; else as they come.
    #[must_use]
    pub fn in_parts(self, parts: PartSizes) -> Self {
        Self { parts: Some(parts), ..self }
    }

    /// The same, listed by `pages`; else by the store's folders.
    #[must_use]
    pub fn listed_by(self, pages: Arc<dyn KeyPages>) -> Self {
        Self { pages: Some(pages), ..self }
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

    pub(super) fn pages(&self) -> Option<&dyn KeyPages> {
        self.pages.as_deref()
    }

    pub(super) fn parts(&self) -> Option<PartSizes> {
        self.parts
    }

    /// The key of an object of this bucket that `location` names by a URL which can be verified
    /// here; none for every other URL.
    ///
    /// # Errors
    /// `denied`: a URL of this bucket that does not allow to read.
    pub(super) fn key_of_url(&self, url: &Url) -> Result<Option<ObjectKey>> {
        self.signer.readable(url).transpose()
    }
}
