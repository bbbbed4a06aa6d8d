//! Components that were pulled, by their digest: the next command that names one need not fetch it.
//!
//! They are kept within a limit, as compiled code is: what was used longest ago goes first. A component is read whole before it is used,
//! so that one that goes meanwhile is missed by nobody.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use keynet_host::artifact::store::Blob;
use keynet_host::{Config, Digest, NewFile};

/// All of them together have no more bytes than this, unless the last one alone has.
const LIMIT: u64 = 1 << 30;

/// A folder of them.
#[derive(Debug)]
pub struct PulledComponents {
    folder: PathBuf,
    limit: u64,
}

impl PulledComponents {
    /// Those in the cache.
    pub fn new(config: &Config) -> Self {
        Self { folder: config.cache_dir.join("components"), limit: LIMIT }
    }

    /// The component's bytes, if they are there and right.
    pub fn get(&self, component: &Blob) -> Option<Vec<u8>> {
        let path = self.path(component);
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) != component.digest {
            return None;
        }
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Keeps `bytes`. A cache that cannot be written costs the next command some time, and is no error.
    pub fn put(&self, component: &Blob, bytes: &[u8]) {
        let path = self.path(component);
        let kept = fs::create_dir_all(&self.folder).and_then(|()| NewFile::write(&path, NewFile::PRIVATE, bytes));
        if let Err(error) = kept.and_then(|()| self.thin_out(&path)) {
            tracing::debug!(folder = %self.folder.display(), %error, "cannot keep a pulled component");
        }
    }

    fn path(&self, component: &Blob) -> PathBuf {
        self.folder.join(format!("{}.wasm", component.digest.hex()))
    }

    /// Removes what was used longest ago, but not `newest`.
    fn thin_out(&self, newest: &Path) -> io::Result<()> {
        let mut entries = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            total += found.len();
            entries.push((found.modified()?, found.len(), entry.path()));
        }
        entries.sort();
        for (_, size, path) in entries.into_iter().filter(|(_, _, path)| path != newest) {
            if total <= self.limit {
                break;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => total -= size,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cache(folder: &tempfile::TempDir, limit: u64) -> PulledComponents {
        PulledComponents { folder: folder.path().join("components"), limit }
    }

    /// Keeps `content`, as something that was used so many seconds after 1970.
    fn put(cache: &PulledComponents, content: &[u8], used: u64) {
        let component = Blob::of(content);
        cache.put(&component, content);
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(used);
        File::open(cache.path(&component)).unwrap().set_modified(used).unwrap();
    }

    #[test]
    fn a_changed_file_of_the_cache_is_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, wanted) = (cache(&folder, 100), Blob::of(b"component"));
        assert_eq!(cache.get(&wanted), None);
        cache.put(&wanted, b"component");
        assert_eq!(cache.get(&wanted).as_deref(), Some(&b"component"[..]));
        fs::write(cache.path(&wanted), b"c0mponent").unwrap();
        assert_eq!(cache.get(&wanted), None);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 30);
        let contents: [&[u8]; 3] = [b"component1", b"component2", b"component3"];
        for (used, content) in (1..).zip(contents) {
            put(&cache, content, used);
        }
        assert!(cache.get(&Blob::of(contents[0])).is_some(), "and is the newest now");
        put(&cache, b"component4", 4);
        let there = |content: &[u8]| cache.path(&Blob::of(content)).exists();
        assert_eq!(contents.map(there), [true, false, true]);
        assert!(there(b"component4"));
    }

    #[test]
    fn one_that_is_larger_than_the_limit_is_kept_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 10);
        put(&cache, b"small", 1);
        cache.put(&Blob::of(b"a large component"), b"a large component");
        assert!(cache.get(&Blob::of(b"small")).is_none());
        assert!(cache.get(&Blob::of(b"a large component")).is_some());
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        let cache = PulledComponents { folder: "/proc/no-such-folder".into(), limit: 10 };
        cache.put(&Blob::of(b"x"), b"x");
        assert!(cache.get(&Blob::of(b"x")).is_none());
    }
}
