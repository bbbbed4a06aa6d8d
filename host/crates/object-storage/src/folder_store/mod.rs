//! The embedded object store: objects in a folder, used when no S3 is configured, and the server
//! that hands them to others.
//!
//! It is for a developer's machine and for small deployments on one volume. It keeps no versions,
//! has one bucket, and its writes are atomic but not synchronised to the disk.

mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod multipart;
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

/// Where URLs of the embedded store point on a developer's machine, and where
/// `keynet-inference storage serve` listens.
pub const DEFAULT_PUBLIC_URL: &str = "http://127.0.0.1:9797/";

/// What its bucket is called where `AWS_BUCKET_NAME` does not say.
pub const DEFAULT_BUCKET: &str = "default";

/// The name of the key that signs its URLs.
const KEY: &str = "storage.key";

/// Where an embedded store is and how it is reached.
#[derive(Debug, Clone)]
pub struct FolderStoreSettings {
    /// Holds the objects; made if it is missing.
    pub folder: PathBuf,
    /// Holds the key that signs URLs, outside `folder`; made if it is missing.
    pub state: StateDir,
    /// What `s3://` locations call the folder: `AWS_BUCKET_NAME`, or [`DEFAULT_BUCKET`].
    pub bucket: String,
    /// What presigned URLs begin with (`KEYNET_STORAGE_PUBLIC_URL`); without it none are made and
    /// nothing is written.
    pub public_url: Option<Url>,
    /// Another address of the same store, whose URLs are recognised too.
    pub internal_url: Option<Url>,
}

/// A folder of objects with its signer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FolderStore {
    folder: Folder,
    signer: UrlSigner,
    bucket: String,
}

impl FolderStore {
    /// Opens the folder and the key, both made if they are missing. Blocks; the process does it
    /// once.
    ///
    /// # Errors
    /// For the operator, naming the path. `denied`: the key can be read by others, or lies in the
    /// folder. `invalid`: the key is none, or a URL is not a base. `unavailable`: the folder or the
    /// key cannot be read and written.
    pub fn open(settings: FolderStoreSettings) -> Result<Self> {
        let folder = Folder::open(&settings.folder)?;
        let key = settings.state.key_outside(KEY, Some(folder.path()))?;
        let signer = UrlSigner::new(key, settings.public_url, settings.internal_url)?;
        Ok(Self { folder, signer, bucket: settings.bucket })
    }

    /// It, for [`super::ObjectStorage::new`].
    pub fn bucket(&self) -> Bucket {
        Bucket::new(&self.bucket, Arc::new(self.folder.clone()), Arc::new(self.signer.clone()))
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its signer.
    pub fn signer(&self) -> &UrlSigner {
        &self.signer
    }

    /// The file that is, or would be, the object at `location`; none for URLs and other buckets.
    /// For a person: actions see no paths.
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
