//! The embedded object store: objects in a folder, used when no S3 is configured, and the server
//! that makes them available over HTTP.
//!
//! It is meant for a developer's machine and for small deployments on one volume. It keeps no
//! versions and has one bucket; its writes are atomic but not synchronised to the disk.

mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod multipart;
mod quota;
mod range;
mod serve;
#[cfg(test)]
mod serve_tests;
mod sidecar;
mod signing;
mod staging;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

pub use folder::Folder;
pub use serve::{ServeLimits, router, serve};
pub use signing::{Grant, Method, UrlSigner};

use super::{Bucket, Location};
use keynet_base::error::Result;
use keynet_base::state::StateDir;

/// Default base of the embedded store's URLs on a developer's machine, and the default address that
/// `keynet-inference storage serve` listens on.
pub const DEFAULT_PUBLIC_URL: &str = "http://127.0.0.1:9797/";

/// Name of its bucket if `AWS_BUCKET_NAME` is not set.
pub const DEFAULT_BUCKET: &str = "default";

/// File name of the key that signs its URLs.
const KEY: &str = "storage.key";

/// Settings of an embedded store.
#[derive(Debug, Clone)]
pub struct FolderStoreSettings {
    /// Folder of the objects; created if it is missing.
    pub folder: PathBuf,
    /// Holds the key that signs URLs, outside `folder`; created if it is missing.
    pub state: StateDir,
    /// Name of the folder's bucket in `s3://` locations: `AWS_BUCKET_NAME`, or [`DEFAULT_BUCKET`].
    pub bucket: String,
    /// Base of presigned URLs (`KEYNET_STORAGE_PUBLIC_URL`); without it no URLs are made and
    /// nothing can be written.
    pub public_url: Option<Url>,
    /// Second base URL of the same store, whose URLs are accepted too.
    pub internal_url: Option<Url>,
    /// Most bytes of all objects and unfinished writes (`KEYNET_STORAGE_MAX_TOTAL`); no limit
    /// without it.
    pub max_total: Option<u64>,
}

/// Folder of objects with its signer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FolderStore {
    folder: Folder,
    signer: UrlSigner,
    bucket: String,
}

impl FolderStore {
    /// Opens the folder and the key, creating both if they are missing. Blocks; called once per
    /// process.
    ///
    /// # Errors
    /// For the operator, naming the path. `denied`: the key can be read by others, or lies in the
    /// folder. `invalid`: the key is not a valid key, or a URL is not a valid base. `unavailable`:
    /// the folder or the key cannot be read and written.
    pub fn open(settings: FolderStoreSettings) -> Result<Self> {
        let folder = Folder::open_within(&settings.folder, settings.max_total)?;
        let key = settings.state.key_outside(KEY, Some(folder.path()))?;
        let signer = UrlSigner::new(key, settings.public_url, settings.internal_url)?;
        Ok(Self { folder, signer, bucket: settings.bucket })
    }

    /// Returns the bucket, for [`super::ObjectStorage::new`].
    pub fn bucket(&self) -> Bucket {
        Bucket::new(&self.bucket, Arc::new(self.folder.clone()), Arc::new(self.signer.clone()))
    }

    /// Returns the folder that holds the objects.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Returns the signer of its URLs.
    pub fn signer(&self) -> &UrlSigner {
        &self.signer
    }

    /// Returns the path of the file of the object at `location`, which need not exist; `None` for
    /// URLs and other buckets. Intended for people: actions never see paths.
    pub fn path_of(&self, location: &Location) -> Option<PathBuf> {
        match location {
            Location::Object { bucket, key }
                if bucket.as_ref().is_none_or(|bucket| *bucket == self.bucket) =>
            {
                Some(self.folder.path_of(key))
            }
            _ => None,
        }
    }
}
