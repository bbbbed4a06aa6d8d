//! The files of a project, and their changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::errors::ExpectedError;

/// Interval at which files are looked at. Looking at a hundred files takes less than a millisecond.
const INTERVAL: Duration = Duration::from_millis(100);

/// Folders that builds and package managers write.
const NOT_SOURCES: [&str; 5] = ["target", "node_modules", "__pycache__", "venv", "build"];

/// Most files of a project that are watched.
const MAX_FILES: usize = 20_000;

/// The files of a project, and others that a run reads. Files are compared by time and size: that
/// works on every file system, also where no notifications arrive.
#[derive(Debug)]
pub struct Watch {
    roots: Vec<PathBuf>,
    excluded: Vec<PathBuf>,
}

/// The files at one moment, with their times and sizes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, (Option<SystemTime>, u64)>);

impl Watch {
    /// Watches the project at `path`, a folder or a file in it, without the folders `excluded`.
    pub fn new(path: &Path, excluded: &[&Path]) -> Self {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let excluded = excluded.iter().filter_map(|path| path.canonicalize().ok()).collect();
        Self { roots: vec![folder.to_owned()], excluded }
    }

    /// Watches further files.
    pub fn add<'a>(&mut self, files: impl Iterator<Item = &'a PathBuf>) {
        self.roots.extend(files.cloned());
    }

    /// Returns the files as they are now.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, ExpectedError> {
        let mut snapshot = Snapshot::default();
        for root in &self.roots {
            self.collect(root, &mut snapshot).map_err(ExpectedError::io("watch", root))?;
        }
        Ok(snapshot)
    }

    /// Waits until the files are others than `seen`, and until they stay the same for an interval:
    /// an editor may write several.
    ///
    /// # Errors
    /// As [`Watch::snapshot`].
    pub fn wait(&self, seen: &Snapshot) -> Result<(), ExpectedError> {
        let mut before = self.snapshot()?;
        loop {
            thread::sleep(INTERVAL);
            let now = self.snapshot()?;
            if now != *seen && now == before {
                return Ok(());
            }
            before = now;
        }
    }

    fn collect(&self, path: &Path, snapshot: &mut Snapshot) -> std::io::Result<()> {
        let Ok(metadata) = fs::metadata(path) else {
            snapshot.0.insert(path.to_owned(), (None, 0)); // it is missing, which may change
            return Ok(());
        };
        if !metadata.is_dir() {
            let state = (metadata.modified().ok(), metadata.len());
            snapshot.0.insert(path.to_owned(), state);
            return Ok(());
        }
        if path.canonicalize().is_ok_and(|path| self.excluded.contains(&path)) {
            return Ok(());
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let is_source = is_source(&entry.file_name().to_string_lossy());
            if is_source && snapshot.0.len() < MAX_FILES && !entry.file_type()?.is_symlink() {
                self.collect(&entry.path(), snapshot)?;
            }
        }
        Ok(())
    }
}

fn is_source(name: &str) -> bool {
    !name.starts_with('.') && !name.ends_with(".wasm") && !NOT_SOURCES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_watched_and_what_builds_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("src/lib.rs", "one");
        write("storage/a.png", "x");
        let watch = Watch::new(folder.path(), &[&folder.path().join("storage")]);
        let seen = watch.snapshot().unwrap();
        for name in
            ["target/debug/x", "action.wasm", ".git/HEAD", "storage/b.png", "node_modules/a"]
        {
            write(name, "written by a build");
            assert_eq!(watch.snapshot().unwrap(), seen, "{name}");
        }
        for name in ["src/lib.rs", "src/new.rs", "keynet.toml"] {
            write(name, "changed");
            assert_ne!(watch.snapshot().unwrap(), seen, "{name}");
            watch.wait(&seen).unwrap();
        }
    }

    #[test]
    fn the_folder_of_a_file_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.py");
        fs::write(&file, "1").unwrap();
        let watch = Watch::new(&file, &[]);
        let seen = watch.snapshot().unwrap();
        fs::write(folder.path().join("helpers.py"), "2").unwrap();
        assert_ne!(watch.snapshot().unwrap(), seen);
    }
}
