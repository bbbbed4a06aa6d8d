//! A copy of a node's databases, while the node runs or not.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

/// Databases of a node.
const FILES: [&str; 2] = ["node.db", "activations.db"];

/// Error of a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder of the backup is there already.
    #[error("{} exists: name a folder that does not", .0.display())]
    Exists(PathBuf),
    /// The folder of the backup cannot be written.
    #[error("cannot write the backup {}: {error}", path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// Reason.
        error: io::Error,
    },
    /// A database cannot be copied.
    #[error("cannot copy {}: {error}", path.display())]
    Copy {
        /// The database.
        path: PathBuf,
        /// Reason.
        error: rusqlite::Error,
    },
}

/// Copies the databases of the node in `data` to the new folder `to`, each as it is at one moment.
/// The folder takes its name when it is complete.
///
/// # Errors
/// The folder exists or cannot be written, or `data` has no databases.
pub fn backup(data: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::Write { path: to.to_owned(), error };
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let target = std::path::absolute(to).map_err(failed)?;
    let parent = target.parent().unwrap_or(Path::new("/"));
    let draft =
        tempfile::Builder::new().prefix(".keynet-backup-").tempdir_in(parent).map_err(failed)?;
    for name in FILES {
        let path = data.join(name);
        copy(&path, &draft.path().join(name)).map_err(|error| BackupError::Copy { path, error })?;
    }
    let written = draft.keep();
    std::fs::rename(&written, &target).map_err(|error| {
        let _ = std::fs::remove_dir_all(&written);
        failed(error)
    })
}

fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    // Writable, since SQLite creates its index of the log beside a database that nobody uses.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    connection.execute("VACUUM INTO ?", params![to.display().to_string()]).map(drop)
}
