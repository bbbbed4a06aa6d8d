//! Unfinished uploads, recorded so that the next command continues them.
//!
//! One small file for each (registry, repository, digest), with mode 0600, removed when the upload
//! is complete. It holds the URL at which the registry continues the upload; it is used only for
//! that registry, and by one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::store::Blob;
use keynet_base::digest::Digest;

/// Age after which a record is ignored: registries discard uploads after some days at most.
const AGE: Duration = Duration::from_secs(24 * 3600);
const LIMIT: u64 = 64 << 10;

/// Record of one upload, locked while it is used. Its errors never fail a push: without a record
/// the blob is sent again.
pub(super) struct Unfinished {
    path: PathBuf,
    file: File,
    about: UploadRecord,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct UploadRecord {
    registry: String,
    repository: String,
    digest: String,
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct Memory {
    #[serde(flatten)]
    about: UploadRecord,
    location: String,
}

impl Unfinished {
    /// Opens the record of an upload in `folder`; `None` if that fails or another process uses it.
    pub(super) fn open(
        folder: &Path,
        registry: &Url,
        repository: &str,
        blob: &Blob,
    ) -> Option<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
        forget_old(folder);
        let about = UploadRecord {
            registry: registry.to_string(),
            repository: repository.to_owned(),
            digest: blob.digest.to_string(),
            size: blob.size,
        };
        let name =
            Digest::of(format!("{}\n{repository}\n{}", about.registry, blob.digest).as_bytes())
                .hex();
        let path = folder.join(name);
        let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).ok()?;
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow)
            .open(&path)
            .ok()?;
        file.try_lock().ok()?;
        Some(Self { path, file, about })
    }

    /// Returns the URL at which the upload continues, if it was begun.
    pub(super) fn recall(&mut self) -> Option<Url> {
        let mut text = Vec::new();
        self.file.rewind().ok()?;
        (&self.file).take(LIMIT).read_to_end(&mut text).ok()?;
        let memory: Memory = serde_json::from_slice(&text).ok()?;
        let registry = Url::parse(&self.about.registry).ok()?;
        let location = Url::parse(&memory.location).ok()?;
        (memory.about == self.about && location.origin() == registry.origin()).then_some(location)
    }

    /// Records the URL at which the upload continues. A URL of another server is not recorded.
    pub(super) fn remember(&mut self, location: &Url) {
        let own = Url::parse(&self.about.registry)
            .is_ok_and(|registry| registry.origin() == location.origin());
        let memory = Memory { about: self.about.clone(), location: location.to_string() };
        if let (true, Ok(text)) = (own, serde_json::to_vec(&memory)) {
            let _ = self
                .file
                .rewind()
                .and_then(|()| self.file.set_len(0))
                .and_then(|()| self.file.write_all(&text));
        }
    }

    /// Removes the record: the upload is complete, or the registry does not know it any more.
    pub(super) fn forget(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // The upload was never begun.
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn forget_old(folder: &Path) {
    let now = SystemTime::now();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > AGE)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn open(folder: &Path, registry: &str, repository: &str) -> Option<Unfinished> {
        Unfinished::open(folder, &Url::parse(registry).unwrap(), repository, &Blob::of(b"bytes"))
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn an_upload_is_remembered_for_its_registry_repository_and_blob() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("uploads");
        let location =
            Url::parse("https://registry.example.com/v2/a/blobs/uploads/1?_state=x").unwrap();
        let mut first = open(&folder, "https://registry.example.com/", "a").unwrap();
        assert_eq!(first.recall(), None);
        first.remember(&location);
        assert!(
            open(&folder, "https://registry.example.com/", "a").is_none(),
            "one process at a time"
        );
        assert_eq!(first.file.metadata().unwrap().mode() & 0o777, 0o600);
        drop(first);
        assert_eq!(
            open(&folder, "https://registry.example.com/", "a").unwrap().recall(),
            Some(location)
        );
        assert_eq!(open(&folder, "https://registry.example.com/", "b").unwrap().recall(), None);
        assert_eq!(open(&folder, "http://registry.example.com/", "a").unwrap().recall(), None);
        open(&folder, "https://registry.example.com/", "a").unwrap().forget();
        assert_eq!(files(&folder), 0);
    }

    #[test]
    fn another_hosts_location_is_neither_remembered_nor_recalled() {
        let state = tempfile::tempdir().unwrap();
        let mut upload = open(state.path(), "https://registry.example.com/", "a").unwrap();
        upload.remember(&Url::parse("https://elsewhere.example.com/upload").unwrap());
        assert_eq!(upload.recall(), None);
        upload.remember(&Url::parse("https://registry.example.com/upload").unwrap());
        let text = std::fs::read_to_string(&upload.path)
            .unwrap()
            .replace("example.com/upload", "example.com.evil.org/upload");
        std::fs::write(&upload.path, text).unwrap();
        assert_eq!(upload.recall(), None);
        std::fs::write(&upload.path, "{\"torn").unwrap();
        assert_eq!(upload.recall(), None);
    }

    #[test]
    fn what_is_a_day_old_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("old"), "x").unwrap();
        let file = File::options().write(true).open(state.path().join("old")).unwrap();
        file.set_modified(SystemTime::now() - AGE - Duration::from_secs(1)).unwrap();
        std::fs::write(state.path().join("new"), "x").unwrap();
        drop(open(state.path(), "https://registry.example.com/", "a").unwrap());
        assert_eq!(files(state.path()), 1);
    }
}
