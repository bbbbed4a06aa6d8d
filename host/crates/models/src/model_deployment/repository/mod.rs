//! The model repository: where a model server reads its models, `NAME/VERSION/…` with
//! `NAME/config.pbtxt`.
//!
//! Paths are relative to it, with slashes. A file appears as a whole or not at all; a folder does
//! so in a [`Folder`], while in [`Objects`] its files appear one after the other, first the record
//! that takes the name and last the configuration.

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

/// How much a small file may be that is read whole.
const SMALL: u64 = 1 << 20;

/// A folder of this machine to gather a model in. Removed when dropped; what a process that was
/// killed has left is removed by the next.
#[derive(Debug)]
pub(super) struct Workspace {
    folder: TempDir,
    /// Locked as long as it is used.
    _lock: File,
}

/// How the names of workspaces begin.
const WORKSPACE: &str = ".keynet-model-";

impl Workspace {
    /// A new one in the folder `place`.
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
            // Somebody else may have taken it for one that was left, before it was locked.
            if folder.path().exists() {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What a model server reads its models from.
#[async_trait]
pub(super) trait Repository: Send + Sync {
    /// As the operator wrote it, for messages.
    fn describe(&self) -> String;

    /// Where a model is in it, for its record.
    fn place_of(&self, name: &str) -> String;

    /// A folder of this machine to gather a model in; removed when dropped.
    ///
    /// # Errors
    /// It cannot be made.
    fn workspace(&self) -> Result<Workspace>;

    /// Whether there is anything of this name.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn exists(&self, name: &str, budget: &CallBudget) -> Result<bool>;

    /// Keeps others from changing a model that is there, as far as the repository can, until it is
    /// dropped.
    ///
    /// # Errors
    /// `unavailable`: somebody else does.
    async fn lock(&self, name: &str) -> Result<Option<File>>;

    /// The files of a model with their sizes, by their paths below its name; none of a model that
    /// is not there.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn files(&self, name: &str, budget: &CallBudget) -> Result<BTreeMap<String, u64>>;

    /// A small file; none where there is none.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn read(&self, path: &str, budget: &CallBudget) -> Result<Option<Bytes>>;

    /// Waits until what is written next of a model has a later time than what is there. The server
    /// tells by the times of files whether there is something new to load, and stores may tell
    /// times in seconds.
    ///
    /// # Errors
    /// The repository cannot be read.
    async fn until_later(&self, name: &str, budget: &CallBudget) -> Result<()>;

    /// Takes the name of a new model, which [`Self::place`] then fills.
    ///
    /// # Errors
    /// `precondition-failed`: somebody has it. What keeps it from being written.
    async fn claim(&self, name: &str, record: Bytes, budget: &CallBudget) -> Result<()>;

    /// Whether a file is there and has the bytes of `from`.
    ///
    /// # Errors
    /// One of them cannot be read.
    async fn is_same(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<bool>;

    /// Puts the folder `from` of the workspace to where nothing is, or what was claimed.
    ///
    /// # Errors
    /// `precondition-failed`: there is something, as far as the repository can tell. What keeps it
    /// from being written.
    async fn place(
        &self,
        from: &Path,
        path: &str,
        progress: &dyn Progress,
        budget: &CallBudget,
    ) -> Result<()>;

    /// Puts the file `from` of the workspace in the place of what is there.
    ///
    /// # Errors
    /// What keeps it from being written.
    async fn put(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()>;

    /// Keeps a copy of a file in the workspace, as `to`, and says whether there is one.
    ///
    /// # Errors
    /// What keeps it from being read or written.
    async fn save(&self, path: &str, to: &Path, budget: &CallBudget) -> Result<bool>;

    /// Puts back what was saved, as it was.
    ///
    /// # Errors
    /// What keeps it from being written.
    async fn restore(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()>;

    /// Removes a file, or a folder with all in it; of a model's folder the record goes last. It is
    /// no error that nothing is there.
    ///
    /// # Errors
    /// What keeps it from being removed.
    async fn remove(&self, path: &str, budget: &CallBudget) -> Result<()>;
}

/// The files below a folder of this machine, with their sizes, by their relative paths.
///
/// # Errors
/// It cannot be read, or holds a name that is not UTF-8.
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
            // A link of the operator's is followed, as the server follows it; one that leads
            // nowhere is a file itself.
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

/// A failed operation on a path.
pub(super) fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot {what} {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Error::denied(message),
        std::io::ErrorKind::AlreadyExists => Error::precondition_failed(message),
        std::io::ErrorKind::NotFound => Error::not_found(message),
        _ => Error::unavailable(message),
    }
}

/// A path without symbolic links and dots, as far as that can be told.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
