//! Cache of pulled components by digest, so that the next command that names one does not fetch it
//! again.
//!
//! Its size is limited, like that of compiled code: the least recently used component is evicted
//! first. A component is read whole before it is used, so an eviction at the same time does no
//! harm.

use std::io::Write as _;
use std::path::PathBuf;

use keynet_artifact::store::Blob;
use keynet_base::{Config, Digest, FileCache};

/// Folder of the cache.
#[derive(Debug)]
pub struct PulledComponents(FileCache);

impl PulledComponents {
    /// Returns the cache, with a quarter of the size limit of compiled code.
    pub fn new(config: &Config) -> Self {
        Self(FileCache::new(config.cache_dir.join("components"), config.cache_size / 4))
    }

    /// Returns the component's bytes; `None` if they are missing or their digest is wrong.
    pub fn get(&self, component: &Blob) -> Option<Vec<u8>> {
        let path = self.path(component);
        let bytes = std::fs::read(&path).ok()?;
        if Digest::of(&bytes) != component.digest {
            return None;
        }
        self.0.used(&path);
        Some(bytes)
    }

    /// Stores `bytes`. A cache that cannot be written is not an error: the next command fetches
    /// again.
    pub fn put(&self, component: &Blob, bytes: &[u8]) {
        let path = self.path(component);
        if let Err(error) = self.0.keep(&path, |mut file| file.write_all(bytes)) {
            tracing::debug!(file = %path.display(), %error, "cannot keep a pulled component");
        }
    }

    fn path(&self, component: &Blob) -> PathBuf {
        self.0.path(format!("{}.wasm", component.digest.hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(folder: &tempfile::TempDir) -> PulledComponents {
        PulledComponents(FileCache::new(folder.path().join("components"), 100))
    }

    #[test]
    fn a_changed_file_of_the_cache_is_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, wanted) = (cache(&folder), Blob::of(b"component"));
        assert_eq!(cache.get(&wanted), None);
        cache.put(&wanted, b"component");
        assert_eq!(cache.get(&wanted).as_deref(), Some(&b"component"[..]));
        std::fs::write(cache.path(&wanted), b"c0mponent").unwrap();
        assert_eq!(cache.get(&wanted), None);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let cache = PulledComponents(FileCache::new("/proc/no-such-folder", 10));
        cache.put(&Blob::of(b"x"), b"x");
        assert!(cache.get(&Blob::of(b"x")).is_none());
    }
}
