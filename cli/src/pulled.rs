//! Components that were pulled, by their digest: the next command that names one need not fetch it.
//!
//! They are kept within a limit, as compiled code is: what was used longest ago goes first. A
//! component is read whole before it is used, so that one that goes meanwhile is missed by nobody.

use std::io::Write as _;
use std::path::PathBuf;

use keynet_artifact::store::Blob;
use keynet_base::{Config, Digest, FileCache};

/// A folder of them.
#[derive(Debug)]
pub struct PulledComponents(FileCache);

impl PulledComponents {
    /// Those in the cache, which have a quarter of what compiled code may have.
    pub fn new(config: &Config) -> Self {
        Self(FileCache::new(config.cache_dir.join("components"), config.cache_size / 4))
    }

    /// The component's bytes, if they are there and right.
    pub fn get(&self, component: &Blob) -> Option<Vec<u8>> {
        let path = self.path(component);
        let bytes = std::fs::read(&path).ok()?;
        if Digest::of(&bytes) != component.digest {
            return None;
        }
        self.0.used(&path);
        Some(bytes)
    }

    /// Keeps `bytes`. A cache that cannot be written costs the next command some time, and is no
    /// error.
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
