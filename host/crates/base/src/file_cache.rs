//! Cache of files that can be created again, within a limit in bytes: the least recently used are
//! removed first, of the group of files that has the most bytes.
//!
//! Several processes may share the folder. A file appears complete or not at all, a file that is
//! removed while a process has it open stays readable to that process, and a process that does not
//! find a file creates it again. Files that were read from a read-only folder keep their time of
//! use unchanged.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::new_file::NewFile;

/// Age after which a draft is removed: its process was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Cache in a folder, which holds files and subfolders of files.
#[derive(Debug, Clone)]
pub struct FileCache {
    folder: PathBuf,
    limit: u64,
    group: Group,
}

/// Function that returns the group of a file from its name.
type Group = fn(&OsStr) -> &[u8];

/// File of the cache.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    used: SystemTime,
    path: PathBuf,
    size: u64,
}

impl FileCache {
    /// Returns the cache of the files in `folder`, which is created when the first file is kept.
    /// Together the files have at most `limit` bytes, unless the newest alone has more.
    pub fn new(folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self::in_groups(folder, limit, |_| b"")
    }

    /// As [`FileCache::new`], with several groups of files: a group that stores much does not have
    /// those of another one removed. `group` returns that of a file from its name.
    pub fn in_groups(folder: impl Into<PathBuf>, limit: u64, group: Group) -> Self {
        Self { folder: folder.into(), limit, group }
    }

    /// Returns the path of the file called `name`, which may contain a folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.join(name)
    }

    /// Sets the time of use of the file at `path` to now.
    pub fn used(&self, path: &Path) {
        let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// Stores the output of `write` as the file at `path` with mode 0600, and removes the least
    /// recently used files if the limit is exceeded.
    ///
    /// # Errors
    /// The folder cannot be written, or an error of `write`.
    pub fn keep(&self, path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(&self.folder))?;
        let new = NewFile::beside(path, NewFile::PRIVATE)?;
        write(new.file())?;
        new.put(path)?;
        self.thin_out(path)
    }

    /// Removes the least recently used files of the largest groups, except `newest`.
    fn thin_out(&self, newest: &Path) -> io::Result<()> {
        let mut kept = Vec::new();
        collect(&self.folder, true, &mut kept)?;
        let mut total: u64 = kept.iter().map(|file| file.size).sum();
        if total <= self.limit {
            return Ok(());
        }
        kept.sort();
        let mut groups: BTreeMap<Vec<u8>, (u64, VecDeque<Kept>)> = BTreeMap::new();
        for file in kept {
            let group = (self.group)(file.path.file_name().unwrap_or_default()).to_vec();
            let (bytes, files) = groups.entry(group).or_default();
            *bytes += file.size;
            if file.path != newest {
                files.push_back(file);
            }
        }
        while total > self.limit {
            let removable = groups.values_mut().filter(|(_, files)| !files.is_empty());
            let Some((bytes, files)) = removable.max_by_key(|(bytes, _)| *bytes) else { break };
            let Some(file) = files.pop_front() else { break };
            // Another process may have removed it already.
            there(fs::remove_file(&file.path))?;
            *bytes -= file.size;
            total -= file.size;
        }
        Ok(())
    }
}

/// Adds the files of `folder` and, if `nested`, of its subfolders to `kept`, and removes abandoned
/// drafts.
fn collect(folder: &Path, nested: bool, kept: &mut Vec<Kept>) -> io::Result<()> {
    let Some(entries) = there(fs::read_dir(folder))? else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let Some(found) = there(entry.metadata())? else { continue };
        if found.is_dir() {
            if nested {
                collect(&entry.path(), false, kept)?;
            }
            continue;
        }
        let used = found.modified()?;
        if !is_draft(&entry) {
            kept.push(Kept { used, path: entry.path(), size: found.len() });
        } else if used.elapsed().is_ok_and(|age| age > ABANDONED) {
            there(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

fn is_draft(entry: &DirEntry) -> bool {
    let name: &OsStr = &entry.file_name();
    name.as_encoded_bytes().starts_with(b".")
}

/// Returns `None` instead of an error for a file that another process has removed meanwhile.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn cache(folder: &tempfile::TempDir, limit: u64) -> FileCache {
        FileCache::new(folder.path().join("cache"), limit)
    }

    /// Stores `size` bytes as `name`, with a time of use of `used` seconds after 1970.
    fn keep(cache: &FileCache, name: &str, size: usize, used: u64) {
        let path = cache.path(name);
        cache.keep(&path, |mut file| file.write_all(&vec![0; size])).unwrap();
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(used);
        File::open(path).unwrap().set_modified(used).unwrap();
    }

    fn names(cache: &FileCache) -> Vec<String> {
        let mut kept = Vec::new();
        collect(&cache.folder, true, &mut kept).unwrap();
        let mut names: Vec<_> = kept
            .iter()
            .map(|file| file.path.strip_prefix(&cache.folder).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_whichever_folder_it_is_in() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 30);
        for (used, name) in (1..).zip(["old/a", "new/b", "old/c"]) {
            keep(&cache, name, 10, used);
        }
        cache.used(&cache.path("old/a"));
        keep(&cache, "new/d", 10, 4);
        assert_eq!(names(&cache), ["new/d", "old/a", "old/c"]);
        keep(&cache, "e", 25, 5);
        assert_eq!(names(&cache), ["e"]);
    }

    #[test]
    fn the_newest_stays_though_it_is_larger_than_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 10);
        keep(&cache, "small", 1, 1);
        keep(&cache, "large", 11, 0);
        assert_eq!(names(&cache), ["large"]);
        keep(&cache, "next", 2, 2);
        assert_eq!(names(&cache), ["next"]);
    }

    #[test]
    fn the_drafts_of_killed_processes_go_and_those_of_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(&folder, 1000);
        keep(&cache, "engine/a", 1, 1);
        for name in [".draft-killed", ".keynet-killed", ".keynet-writing"] {
            fs::write(cache.path("engine").join(name), "half").unwrap();
        }
        for name in [".draft-killed", ".keynet-killed"] {
            let killed = File::open(cache.path("engine").join(name)).unwrap();
            killed.set_modified(SystemTime::now() - ABANDONED * 2).unwrap();
        }
        keep(&cache, "b", 1, 2);
        let mut left: Vec<_> = fs::read_dir(cache.path("engine"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, [".keynet-writing", "a"]);
    }

    #[test]
    fn many_who_write_at_once_stay_within_the_limit_and_see_whole_files() {
        let folder = tempfile::tempdir().unwrap();
        let caches: Vec<_> = (0..4).map(|_| cache(&folder, 40)).collect();
        std::thread::scope(|scope| {
            for (writer, cache) in caches.iter().enumerate() {
                scope.spawn(move || {
                    for number in 0..100 {
                        let path = cache.path(format!("{writer}/{}", number % 7));
                        cache.keep(&path, |mut file| file.write_all(&[7; 10])).unwrap();
                        if let Ok(found) = fs::read(&path) {
                            assert_eq!(found, [7; 10]);
                        }
                    }
                });
            }
        });
        keep(&caches[0], "last", 10, 1);
        assert!(names(&caches[0]).len() <= 4, "{:?}", names(&caches[0]));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error_and_nothing_else() {
        let cache = FileCache::new("/proc/no-such-folder", 10);
        assert!(cache.keep(&cache.path("a"), |_| Ok(())).is_err());
        cache.used(&cache.path("a"));
    }
}
