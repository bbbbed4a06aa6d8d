//! Which objects a run left in the folder of embedded storage.
//!
//! The folder is looked at afterwards: a file that is younger than the run is one of its objects (or of another run of the same moment).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where nobody looks for objects: content types and unfinished writes.
const RESERVED: &str = ".keynet";

/// A folder with more files than this is not searched to the end.
const MAX_FILES: usize = 50_000;

/// Files below `folder` that were written after `since`, sorted. Symbolic links are not followed.
pub fn since(since: SystemTime, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut seen = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && entry.file_name() != RESERVED {
                folders.push(entry.path());
            } else if kind.is_file() && entry.metadata().and_then(|about| about.modified()).is_ok_and(|written| written >= since) {
                found.push(entry.path());
            }
        }
        if seen > MAX_FILES {
            break;
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn younger_files_are_found_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, age: u64| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        write("20260131/old", 100);
        write("20260131/new", 0);
        write("deep/er/new", 0);
        write(".keynet/staging/x", 0);
        let found = since(SystemTime::now() - Duration::from_secs(10), folder.path());
        assert_eq!(found, [folder.path().join("20260131/new"), folder.path().join("deep/er/new")]);
        assert!(since(SystemTime::UNIX_EPOCH, Path::new("no/such/folder")).is_empty());
    }
}
