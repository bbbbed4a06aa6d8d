//! A copy of the database while it is used.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::error::{RecordsError, Result};

/// Copies the database that `connection` reads to `path`, as it is at this moment. The copy takes
/// its name when it is complete; it has no unused pages. Blocks.
///
/// # Errors
/// `path` exists or cannot be written, or the database cannot be read.
pub(super) fn write(database: &Path, connection: &Connection, path: &Path) -> Result<()> {
    let failed = |action| move |cause| RecordsError::io(path, action, cause);
    let exists = || RecordsError::Exists { file: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    // An absolute path is not taken for a URI.
    let target = std::path::absolute(path).map_err(failed("write the backup"))?;
    let folder = target.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    let copy = tempfile::Builder::new()
        .prefix(".keynet-backup-")
        .tempfile_in(&folder)
        .map_err(failed("write the backup"))?;
    let name = copy.path().to_str().ok_or_else(|| {
        let text = std::io::Error::other("the path is not UTF-8");
        RecordsError::io(path, "write the backup", text)
    })?;
    // SQLite accepts an existing file if it is empty.
    connection.execute("VACUUM INTO ?", [name]).map_err(|cause| {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                RecordsError::io(path, "write the backup", std::io::ErrorKind::StorageFull.into())
            }
            _ => RecordsError::of(database, "copy activation records", cause),
        }
    })?;
    copy.as_file().sync_all().map_err(failed("write the backup"))?;
    copy.persist_noclobber(&target).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(),
        _ => RecordsError::io(path, "write the backup", error.error),
    })?;
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed("write the backup"))
}
