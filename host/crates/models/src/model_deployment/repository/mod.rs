//! The model repository that a model server reads: `NAME/VERSION/…` with `NAME/config.pbtxt`.
//!
//! Paths are relative to the repository, with slashes. A file appears atomically. A folder does so
//! in a [`Folder`], while in [`Objects`] its files appear one after the other, first the record
//! that claims the name and last the configuration.

mod folder;
mod objects;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};

pub(super) use folder::Folder;
pub(super) use objects::Objects;
use tempfile::TempDir;

use super::Progress;
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};

/// Largest file that is read whole, in bytes.
const SMALL: u64 = 1 << 20;

/// Local folder to gather a model in. Removed when dropped; the folder of a killed process is
/// removed by the next one.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: TempDir,
    /// Lock, held while the workspace is used.
    _lock: File,
}

/// Prefix of the names of workspaces.
const WORKSPACE: &str = ".keynet-model-";

impl Workspace {
    /// Creates a workspace in the folder `place`.
    fn within(place: &Path) -> std::io::Result<Self> {
        for left in std::fs::read_dir(place)?
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(WORKSPACE.as_bytes()))
        {
            let free = File::open(left.path()).is_ok_and(|folder| {
                flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
            });
            if free {
                let _ = std::fs::remove_dir_all(left.path());
            }
        }
        loop {
            let folder = tempfile::Builder::new().prefix(WORKSPACE).tempdir_in(place)?;
            let lock = File::open(folder.path())?;
            flock(&lock, FlockOperation::LockExclusive)?;
            // Another process may have removed it as an abandoned one before it was locked.
            if folder.path().exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Model repository that a model server reads.
#[async_trait]
pub(super) trait Repository: Send + Sync {
    /// Returns the repository as the operator wrote it, for messages.
    fn describe(&self) -> String;

    /// Returns the location of a model in it, for its record.
    fn place_of(&self, name: &str) -> String;

    /// Creates a local folder to gather a model in; removed when dropped.
    ///
    /// # Errors
    /// It cannot be created.
    fn workspace(&self) -> Result<Workspace>;

    /// Reports whether anything of this name exists.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn exists(&self, name: &str, budget: &CallBudget) -> Result<bool>;

    /// Locks an existing model against other changes, if the repository supports it, until the lock
    /// is dropped.
    ///
    /// # Errors
    /// `unavailable`: it is locked.
    async fn lock(&self, name: &str) -> Result<Option<File>>;

    /// Returns the files of a model with their sizes, by their paths below its name; empty for a
    /// model that does not exist.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn files(&self, name: &str, budget: &CallBudget) -> Result<BTreeMap<String, u64>>;

    /// Reads a small file; `None` if it does not exist.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn read(&self, path: &str, budget: &CallBudget) -> Result<Option<Bytes>>;

    /// Waits until the next file written for a model has a later modification time than its
    /// existing files. The server detects a new version by the times of files, and a store may have
    /// times in whole seconds.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn until_later(&self, name: &str, budget: &CallBudget) -> Result<()>;

    /// Claims the name of a new model, which [`Self::place`] then fills.
    ///
    /// # Errors
    /// `precondition-failed`: the name is taken. It cannot be written.
    async fn claim(&self, name: &str, record: Bytes, budget: &CallBudget) -> Result<()>;

    /// Reports whether a file exists and has the bytes of `from`.
    ///
    /// # Errors
    /// One of them cannot be read.
    async fn is_same(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<bool>;

    /// Writes the folder `from` of the workspace to a path where nothing exists, or to a claimed
    /// name.
    ///
    /// # Errors
    /// `precondition-failed`: something exists there, as far as the repository can detect. It
    /// cannot be written.
    async fn place(
        &self,
        from: &Path,
        path: &str,
        progress: &dyn Progress,
        budget: &CallBudget,
    ) -> Result<()>;

    /// Writes the file `from` of the workspace, replacing an existing one.
    ///
    /// # Errors
    /// It cannot be written.
    async fn put(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()>;

    /// Saves a copy of a file in the workspace, as `to`, and reports whether the file exists.
    ///
    /// # Errors
    /// It cannot be read, or the copy cannot be written.
    async fn save(&self, path: &str, to: &Path, budget: &CallBudget) -> Result<bool>;

    /// Restores a saved file.
    ///
    /// # Errors
    /// It cannot be written.
    async fn restore(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()>;

    /// Removes a file, or a folder with its content; in a model's folder the record is removed
    /// last. Succeeds if nothing exists there.
    ///
    /// # Errors
    /// It cannot be removed.
    async fn remove(&self, path: &str, budget: &CallBudget) -> Result<()>;
}

/// Returns the files below a local folder, with their sizes, by their relative paths.
///
/// # Errors
/// The folder cannot be read, or holds a name that is not UTF-8.
pub(super) fn files_below(folder: &Path) -> Result<BTreeMap<String, u64>> {
    let mut files = BTreeMap::new();
    let mut rest = vec![(folder.to_owned(), String::new())];
    while let Some((path, below)) = rest.pop() {
        for entry in std::fs::read_dir(&path).map_err(|error| failed("read", &path, &error))? {
            let entry = entry.map_err(|error| failed("read", &path, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(Error::invalid(format!(
                    "{} has a name that is not UTF-8",
                    entry.path().display()
                )));
            };
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            // A link is the operator's and is followed, as the server follows it; a dangling link
            // counts as a file.
            let meta = std::fs::metadata(entry.path()).or_else(|_| entry.metadata());
            let meta = meta.map_err(|error| failed("read", &entry.path(), &error))?;
            match meta.is_dir() {
                true => rest.push((entry.path(), below)),
                false => drop(files.insert(below, meta.len())),
            }
        }
    }
    Ok(files)
}

/// Converts the error of an operation on a path.
pub(super) fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Error::denied(message),
        std::io::ErrorKind::AlreadyExists => Error::precondition_failed(message),
        std::io::ErrorKind::NotFound => Error::not_found(message),
        _ => Error::unavailable(message),
    }
}

/// Makes a path absolute, without symbolic links and dots if possible.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
