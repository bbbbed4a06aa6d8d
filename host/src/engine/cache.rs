//! Compiled code on disk, authenticated.
//!
//! Running compiled code means trusting its author, so an entry carries a keyed BLAKE3 over
//! (format, component digest, engine hash, code) with a key from the state folder, never from
//! beside the entries. To use an entry, its code is copied into a memfd, the memfd is sealed, and
//! only then is it verified and mapped: nothing can change between check and use. An entry with any
//! defect is a cache miss.
//!
//! An entry belongs to the group of the tenant that had it compiled, and is found by all. If the
//! cache is full, the group with the most bytes loses its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{EngineHash, memfd};
use keynet_base::digest::Digest;
use keynet_base::file_cache::FileCache;

const FORMAT: &[u8; 16] = b"keynet-aot-v1\0\0\0";
/// Size of code in bytes from which several threads hash it: starting them takes time.
const FOR_THREADS: u64 = 4 << 20;

const TAG: usize = blake3::OUT_LEN;
const TRAILER: u64 = (FORMAT.len() + TAG) as u64;

/// Compiled code by component digest and engine hash.
#[derive(Debug)]
pub struct AotCache {
    files: FileCache,
    key: [u8; 32],
}

impl AotCache {
    /// Creates the cache of at most `limit` bytes in `folder`, whose entries, of all engines, are
    /// authenticated with `key`.
    pub fn new(folder: impl Into<PathBuf>, key: [u8; 32], limit: u64) -> Self {
        Self { files: FileCache::in_groups(folder, limit, group_of), key }
    }

    /// Returns the path of a component's code in `group`, which is empty for no tenant's.
    pub fn path(&self, component: &Digest, engine: &EngineHash, group: &str) -> PathBuf {
        let component = component.hex();
        let name = if group.is_empty() { component } else { format!("{group}.{component}") };
        self.folder(engine).join(name)
    }

    fn folder(&self, engine: &EngineHash) -> PathBuf {
        self.files.path(hex::encode(engine.0))
    }

    /// Returns the code of a component in a sealed memfd, if there is an entry of any group that
    /// this host wrote. That of `group` is found soonest.
    pub(super) fn get(&self, component: &Digest, engine: &EngineHash, group: &str) -> Option<File> {
        let own = self.path(component, engine, group);
        let path = if own.exists() { own } else { self.of_another_group(component, engine)? };
        match self.read(&path, component, engine) {
            Ok(Some(code)) => {
                self.files.used(&path);
                Some(code)
            }
            Ok(None) => {
                tracing::warn!(entry = %path.display(), "compiled code in the cache was not \
                    written by this host for this component; compiling again");
                None
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(entry = %path.display(), %error, "cannot read compiled code from \
                    the cache; compiling again");
                None
            }
        }
    }

    /// Looks for the code of a component in all groups.
    fn of_another_group(&self, component: &Digest, engine: &EngineHash) -> Option<PathBuf> {
        let component = component.hex();
        let entries = fs::read_dir(self.folder(engine)).ok()?;
        let is_of = |name: &OsStr| {
            name.to_str().is_some_and(|name| name.rsplit('.').next() == Some(&component))
        };
        entries.flatten().find(|entry| is_of(&entry.file_name())).map(|entry| entry.path())
    }

    /// Reads an entry; `None` if it is not authentic.
    fn read(
        &self,
        path: &Path,
        component: &Digest,
        engine: &EngineHash,
    ) -> io::Result<Option<File>> {
        let mut entry = File::open(path)?;
        let Some(length) = entry.metadata()?.len().checked_sub(TRAILER) else { return Ok(None) };
        let mut code = memfd::create()?;
        if io::copy(&mut (&mut entry).take(length), &mut code)? != length {
            return Ok(None);
        }
        memfd::seal(&code)?;
        let mut format = [0; FORMAT.len()];
        let mut tag = [0; TAG];
        entry.read_exact(&mut format)?;
        entry.read_exact(&mut tag)?;
        // `Hash` compares in constant time.
        let authentic = format == *FORMAT
            && self.tag(&code, component, engine)? == blake3::Hash::from_bytes(tag);
        Ok(authentic.then_some(code))
    }

    /// Stores `code`, a sealed memfd, in `group`. Logs a failure: the cache is optional.
    pub(super) fn put(
        &self,
        component: &Digest,
        engine: &EngineHash,
        group: &str,
        code: &mut File,
    ) {
        let path = self.path(component, engine, group);
        if let Err(error) = self.write(&path, component, engine, code) {
            tracing::warn!(entry = %path.display(), %error, "cannot keep compiled code; it will be \
                compiled again next time");
        }
    }

    fn write(
        &self,
        path: &Path,
        component: &Digest,
        engine: &EngineHash,
        code: &mut File,
    ) -> io::Result<()> {
        let tag = self.tag(code, component, engine)?;
        self.files.keep(path, |mut file| {
            code.seek(SeekFrom::Start(0))?;
            io::copy(code, &mut file)?;
            file.write_all(FORMAT)?;
            file.write_all(tag.as_bytes())
        })
    }

    fn tag(
        &self,
        code: &File,
        component: &Digest,
        engine: &EngineHash,
    ) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // Each part has a fixed length, so that no two entries have the same text.
        hasher.update(FORMAT).update(component.bytes()).update(&engine.0);
        // Mapped, not copied once more: nothing can change or truncate a sealed memfd.
        let path = memfd::path(code);
        if code.metadata()?.len() < FOR_THREADS {
            hasher.update_mmap(path)?;
        } else {
            hasher.update_mmap_rayon(path)?;
        }
        Ok(hasher.finalize())
    }
}

/// Returns the group in the name of an entry.
fn group_of(name: &OsStr) -> &[u8] {
    let name = name.as_encoded_bytes();
    let end = name.iter().position(|byte| *byte == b'.').unwrap_or_default();
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    const LIMIT: u64 = 1 << 20;

    const ENGINE: EngineHash = EngineHash([1; 32]);

    struct Cached {
        cache: AotCache,
        component: Digest,
        path: PathBuf,
        _folder: tempfile::TempDir,
    }

    /// Returns a cache with one entry, `code` of component `a`.
    fn cached(code: &[u8]) -> Cached {
        let folder = tempfile::tempdir().unwrap();
        let cache = AotCache::new(folder.path(), [7; 32], LIMIT);
        let component = Digest::of(b"a");
        cache.put(&component, &ENGINE, "", &mut sealed(code));
        let path = cache.path(&component, &ENGINE, "");
        assert_eq!(read(cache.get(&component, &ENGINE, "").unwrap()), code);
        Cached { cache, component, path, _folder: folder }
    }

    fn sealed(code: &[u8]) -> File {
        let mut file = memfd::create().unwrap();
        file.write_all(code).unwrap();
        memfd::seal(&file).unwrap();
        file
    }

    fn read(mut code: File) -> Vec<u8> {
        let mut bytes = Vec::new();
        code.seek(SeekFrom::Start(0)).unwrap();
        code.read_to_end(&mut bytes).unwrap();
        bytes
    }

    impl Cached {
        fn is_a_miss(&self) {
            assert!(self.cache.get(&self.component, &ENGINE, "").is_none());
        }
    }

    #[test]
    fn a_damaged_entry_is_a_miss_wherever_the_damage_is() {
        let cached = cached(b"compiled code");
        let whole = fs::read(&cached.path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&cached.path, damaged).unwrap();
            cached.is_a_miss();
        }
    }

    #[test]
    fn a_truncated_or_extended_entry_is_a_miss() {
        let cached = cached(b"compiled code");
        let whole = fs::read(&cached.path).unwrap();
        for length in 0..whole.len() {
            fs::write(&cached.path, &whole[..length]).unwrap();
            cached.is_a_miss();
        }
        fs::write(&cached.path, [&whole[..], b"x"].concat()).unwrap();
        cached.is_a_miss();
    }

    #[test]
    fn an_entry_made_with_another_key_is_a_miss() {
        let cached = cached(b"compiled code");
        AotCache { key: [8; 32], files: cached.cache.files.clone() }.put(
            &cached.component,
            &ENGINE,
            "",
            &mut sealed(b"evil code"),
        );
        cached.is_a_miss();
    }

    #[test]
    fn an_entry_of_another_component_or_engine_is_a_miss() {
        let cached = cached(b"compiled code");
        let (other, engine) = (Digest::of(b"b"), EngineHash([2; 32]));
        cached.cache.put(&other, &ENGINE, "", &mut sealed(b"code of b"));
        fs::copy(cached.cache.path(&other, &ENGINE, ""), &cached.path).unwrap();
        cached.is_a_miss();
        cached.cache.put(
            &cached.component,
            &engine,
            "",
            &mut sealed(b"code for another processor"),
        );
        fs::copy(cached.cache.path(&cached.component, &engine, ""), &cached.path).unwrap();
        cached.is_a_miss();
    }

    #[test]
    fn an_entry_that_is_swapped_after_the_check_is_not_what_runs() {
        let cached = cached(b"compiled code");
        let code = cached.cache.get(&cached.component, &ENGINE, "").unwrap();
        let entry = fs::OpenOptions::new().write(true).open(&cached.path).unwrap();
        entry.write_all_at(b"evil code    ", 0).unwrap();
        assert!(code.write_all_at(b"evil", 0).is_err(), "sealed");
        assert!(code.set_len(1).is_err() && code.set_len(1000).is_err(), "sealed");
        assert_eq!(read(code), b"compiled code");
    }

    #[test]
    fn a_writer_that_was_killed_leaves_no_entry() {
        let cached = cached(b"compiled code");
        fs::remove_file(&cached.path).unwrap();
        fs::write(cached.path.with_file_name(".keynet-killed"), b"half of the co").unwrap();
        cached.is_a_miss();
        cached.cache.put(&cached.component, &ENGINE, "", &mut sealed(b"compiled code"));
        assert!(cached.cache.get(&cached.component, &ENGINE, "").is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error() {
        let cache = AotCache::new("/proc/no-such-folder", [7; 32], LIMIT);
        cache.put(&Digest::of(b"a"), &ENGINE, "", &mut sealed(b"code"));
        assert!(cache.get(&Digest::of(b"a"), &ENGINE, "").is_none());
    }

    #[test]
    fn the_code_of_an_engine_that_is_used_no_more_makes_room() {
        let cached = cached(b"of the engine before");
        let old = File::open(&cached.path).unwrap();
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let narrow = AotCache::new(cached.cache.files.path(""), [7; 32], 200);
        let engine = EngineHash([2; 32]);
        for component in [b"b", b"c"] {
            narrow.put(&Digest::of(component), &engine, "", &mut sealed(b"code of the engine now"));
        }
        cached.is_a_miss();
        assert!(
            narrow.get(&Digest::of(b"b"), &engine, "").is_some()
                && narrow.get(&Digest::of(b"c"), &engine, "").is_some()
        );
    }

    #[test]
    fn the_code_of_a_tenant_that_fills_the_cache_makes_room_and_not_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let cache = AotCache::new(folder.path(), [7; 32], 600);
        let store = |group: &str, name: &str| {
            let component = Digest::of(name.as_bytes());
            cache.put(&component, &ENGINE, group, &mut sealed(&[7; 60]));
        };
        let is_there = |name: &str| cache.get(&Digest::of(name.as_bytes()), &ENGINE, "").is_some();
        store("good", "of good");
        for number in 0..20 {
            store("evil", &number.to_string());
        }
        assert!(is_there("of good"));
        assert!(is_there("19") && !is_there("0"));
    }
}
