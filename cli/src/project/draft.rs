//! Folders that are made whole or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::errors::ExpectedError;

/// Folder that is filled beside its final place. Dropped before [`Draft::finish`], it is removed.
#[derive(Debug)]
pub struct Draft {
    target: PathBuf,
    files: TempDir,
}

impl Draft {
    /// Makes an empty draft of the folder `target`, and the folders above it.
    ///
    /// # Errors
    /// The folder above `target` cannot be written.
    pub fn of(target: &Path) -> Result<Self, ExpectedError> {
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(ExpectedError::io("make", parent))?;
        let files = tempfile::Builder::new()
            .prefix(".keynet-new-")
            .permissions(Permissions::from_mode(0o777)) // less the umask
            .tempdir_in(parent)
            .map_err(ExpectedError::io("write into", parent))?;
        Ok(Self { target: target.to_owned(), files })
    }

    /// Returns the path of the draft, which is filled.
    pub fn path(&self) -> &Path {
        self.files.path()
    }

    /// Moves the draft to its place, which is missing or an empty folder. An empty folder stays the
    /// same folder, because a shell may be in it.
    ///
    /// # Errors
    /// The files cannot be moved; the place is then as it was.
    pub fn finish(self) -> Result<(), ExpectedError> {
        let moved = if self.target.is_dir() {
            move_entries(self.path(), &self.target)
        } else {
            fs::rename(self.path(), &self.target)
        };
        moved.map_err(ExpectedError::io("make", &self.target))
    }

    /// Moves the draft to its place, and removes the folder that is there.
    ///
    /// # Errors
    /// The folders cannot be moved; the old one is then still there.
    pub fn replace(self) -> Result<(), ExpectedError> {
        let failed = || ExpectedError::io("replace", &self.target);
        let old = Self::of(&self.target)?;
        let (old, path) = (old.path().join("old"), self.path());
        match fs::rename(&self.target, &old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved.map_err(failed())?,
        }
        fs::rename(path, &self.target).map_err(|error| {
            let _ = fs::rename(&old, &self.target);
            failed()(error)
        })
    }
}

/// Moves the entries of the folder `from` to `to`; back, if one of them cannot be moved.
fn move_entries(from: &Path, to: &Path) -> io::Result<()> {
    let mut moved = Vec::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if let Err(error) = fs::rename(entry.path(), &target) {
            for (path, target) in moved {
                let _ = fs::rename(target, path);
            }
            return Err(error);
        }
        moved.push((entry.path(), target));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_draft_that_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let draft = Draft::of(&folder.path().join("deep/project")).unwrap();
        fs::write(draft.path().join("half"), "").unwrap();
        drop(draft);
        assert!(names(&folder.path().join("deep")).is_empty());
    }

    #[test]
    fn a_finished_draft_is_a_folder_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
        fs::create_dir(&empty).unwrap();
        for target in [&missing, &empty] {
            let draft = Draft::of(target).unwrap();
            fs::create_dir(draft.path().join("src")).unwrap();
            fs::write(draft.path().join("src/lib.rs"), "").unwrap();
            draft.finish().unwrap();
            assert!(target.join("src/lib.rs").is_file());
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&missing), mode(&empty));
        assert_eq!(names(folder.path()), ["empty", "missing"]);
    }

    #[test]
    fn a_replaced_folder_has_only_the_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("sdk");
        for name in ["old", "new"] {
            let draft = Draft::of(&target).unwrap();
            fs::write(draft.path().join(name), "").unwrap();
            draft.replace().unwrap();
        }
        assert_eq!(names(&target), ["new"]);
        assert_eq!(names(folder.path()), ["sdk"]);
    }
}
