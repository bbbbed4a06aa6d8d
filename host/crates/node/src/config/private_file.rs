//! Files of credentials, which only this user can read.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Maximum size in bytes of such a file.
const MAX: u64 = 1 << 20;

/// Error of a file of credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Reason.
        error: io::Error,
    },
    /// Other users can read it.
    #[error(
        "{} can be read by other users (its mode is {mode:o}): `chmod 600` it",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It belongs to another user.
    #[error("{} belongs to user {owner}, not to the user of this process", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Owner's number.
        owner: u32,
    },
}

/// Reads the text of the file at `path`.
///
/// # Errors
/// It cannot be read, or others can read it.
pub(super) fn read(path: &Path) -> Result<String, PrivateFileError> {
    let failed = |error| PrivateFileError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::Readable { path: path.to_owned(), mode });
    }
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(PrivateFileError::Foreign { path: path.to_owned(), owner });
    }
    let mut text = String::new();
    file.take(MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}
