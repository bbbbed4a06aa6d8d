//! A model repository in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::super::{Progress, Step};
use super::{Repository, SMALL, Workspace, absolute, failed, files_below};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};

/// Buffer size for comparing files, in bytes.
const BUFFER: usize = 1 << 20;

/// Model repository in a folder.
#[derive(Debug)]
pub(in crate::model_deployment) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens a repository that exists.
    ///
    /// # Errors
    /// `unavailable`: it is not a readable folder.
    pub fn open(root: &Path) -> Result<Self> {
        match fs::read_dir(root) {
            Ok(_) => Ok(Self { root: absolute(root) }),
            Err(error) => Err(Error::unavailable(format!(
                "the model repository {} cannot be read: {error}",
                root.display()
            ))),
        }
    }

    /// Opens a repository that need not exist yet: it is created when a model is written into it.
    pub fn to_be_made(root: &Path) -> Self {
        Self { root: absolute(root) }
    }
}

// The calls below are short (a rename, a small file) and must not continue after the caller stops
// waiting, so they block instead of running on another thread.
#[async_trait]
impl Repository for Folder {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn place_of(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// Creates the workspace beside the repository, from where a rename leads into it and where no
    /// server takes it for a model; inside the repository if that is not possible.
    fn workspace(&self) -> Result<Workspace> {
        fs::create_dir_all(&self.root).map_err(|error| failed("make", &self.root, &error))?;
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev());
        let beside =
            self.root.parent().filter(|parent| device(parent).ok() == device(&self.root).ok());
        if let Some(workspace) = beside.and_then(|parent| Workspace::within(parent).ok()) {
            return Ok(workspace);
        }
        Workspace::within(&self.root)
            .map_err(|error| failed("make a folder in", &self.root, &error))
    }

    async fn exists(&self, name: &str, _: &CallBudget) -> Result<bool> {
        Ok(self.root.join(name).symlink_metadata().is_ok())
    }

    async fn lock(&self, name: &str) -> Result<Option<fs::File>> {
        let path = self.root.join(name);
        let folder = fs::File::open(&path).map_err(|error| failed("read", &path, &error))?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error == Errno::WOULDBLOCK => Err(Error::unavailable(format!(
                "another process is changing the model {name} just now: try again"
            ))),
            // Some file systems have no locks.
            _ => Ok(Some(folder)),
        }
    }

    async fn files(&self, name: &str, _: &CallBudget) -> Result<BTreeMap<String, u64>> {
        let folder = self.root.join(name);
        if folder.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(BTreeMap::new());
        }
        files_below(&folder)
    }

    async fn read(&self, path: &str, _: &CallBudget) -> Result<Option<Bytes>> {
        let path = self.root.join(path);
        let mut bytes = Vec::new();
        let read = fs::File::open(&path).and_then(|file| file.take(SMALL).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes.into())),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("read", &path, &error)),
        }
    }

    async fn until_later(&self, _: &str, _: &CallBudget) -> Result<()> {
        Ok(())
    }

    async fn claim(&self, name: &str, _: Bytes, _: &CallBudget) -> Result<()> {
        let path = self.root.join(name);
        fs::create_dir(&path).map_err(|error| failed("make", &path, &error))
    }

    async fn is_same(&self, from: &Path, path: &str, _: &CallBudget) -> Result<bool> {
        let path = self.root.join(path);
        match same_bytes(from, &path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            compared => compared.map_err(|error| failed("read", &path, &error)),
        }
    }

    async fn place(
        &self,
        from: &Path,
        path: &str,
        progress: &dyn Progress,
        _: &CallBudget,
    ) -> Result<()> {
        let (to, files) = (self.root.join(path), files_below(from)?);
        let total = files.values().sum();
        progress.step(&Step::Writing { written: 0, total });
        for name in files.keys() {
            readable(&from.join(name), 0o644)?;
        }
        for folder in files
            .keys()
            .flat_map(|name| Path::new(name).ancestors().skip(1))
            .collect::<BTreeSet<_>>()
        {
            readable(&from.join(folder), 0o755)?;
        }
        // Renaming onto an empty folder is one atomic step; onto any other folder it fails.
        let made = match fs::create_dir(&to) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.contains('/') => {
                Err(error)
            }
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => fs::rename(from, &to),
        };
        made.map_err(|error| failed("make", &to, &error))?;
        progress.step(&Step::Writing { written: total, total });
        Ok(())
    }

    async fn put(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()> {
        readable(from, 0o644)?;
        self.restore(from, path, budget).await
    }

    async fn save(&self, path: &str, to: &Path, _: &CallBudget) -> Result<bool> {
        let path = self.root.join(path);
        match fs::hard_link(&path, to).or_else(|_| fs::copy(&path, to).map(drop)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("copy", &path, &error)),
        }
    }

    async fn restore(&self, from: &Path, path: &str, _: &CallBudget) -> Result<()> {
        let to = self.root.join(path);
        let parent = to.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent)
            .and_then(|()| fs::rename(from, &to))
            .map_err(|error| failed("write", &to, &error))
    }

    async fn remove(&self, path: &str, _: &CallBudget) -> Result<()> {
        let path = self.root.join(path);
        let gone = match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(meta) if meta.is_dir() => {
                // Moves it out of the server's sight first, in one step.
                let aside = self.workspace()?;
                fs::rename(&path, aside.path().join("removed"))
            }
            _ => fs::remove_file(&path),
        };
        gone.map_err(|error| failed("remove", &path, &error))
    }
}

fn same_bytes(one: &Path, other: &Path) -> std::io::Result<bool> {
    let open = |path: &Path| {
        Ok::<_, std::io::Error>(BufReader::with_capacity(BUFFER, fs::File::open(path)?))
    };
    let (mut one, mut other) = (open(one)?, open(other)?);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left.get(..length) != right.get(..length) || (length == 0 && left.len() != right.len()) {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Sets the permissions of a gathered file, which is readable only for its owner, because the
/// server may run as another user. Also synchronises it to the disk before it is moved to its final
/// path.
fn readable(path: &Path, mode: u32) -> Result<()> {
    let file = fs::File::open(path).and_then(|file| {
        file.set_permissions(fs::Permissions::from_mode(mode)).and_then(|()| file.sync_all())
    });
    file.map_err(|error| failed("write", path, &error))
}
