//! Files of credentials, which only this user can read, and those whom root chose.

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

/// Checks who can read a file that the user `user` uses. Root may have let a group read a file of its
/// own: a Secret of Kubernetes belongs to root and to the group `fsGroup`, with mode 0440.
fn check(path: &Path, owner: u32, mode: u32, user: u32) -> Result<(), PrivateFileError> {
    let is_roots = owner == 0 && user != 0;
    if owner != user && !is_roots {
        return Err(PrivateFileError::Foreign { path: path.to_owned(), owner });
    }
    let forbidden = if is_roots { 0o037 } else { 0o077 };
    if mode & forbidden != 0 {
        return Err(PrivateFileError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Reads the text of the file at `path`.
///
/// # Errors
/// It cannot be read, or others can read it.
pub(super) fn read(path: &Path) -> Result<String, PrivateFileError> {
    let failed = |error| PrivateFileError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let user = rustix::process::geteuid().as_raw();
    check(path, metadata.uid(), metadata.mode() & 0o777, user)?;
    let mut text = String::new();
    file.take(MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_kubernetes_can_be_used_and_what_others_can_read_cannot() {
        for (owner, mode, user, can) in [
            (1000, 0o600, 1000, true),
            (1000, 0o400, 1000, true),
            (1000, 0o440, 1000, false),
            (1000, 0o604, 1000, false),
            (1000, 0o600, 1001, false),
            (1000, 0o440, 0, false),
            (0, 0o600, 0, true),
            (0, 0o440, 0, false),
            // The process could open it, so it is in the file's group.
            (0, 0o440, 1000, true),
            (0, 0o640, 1000, true),
            (0, 0o660, 1000, false),
            (0, 0o444, 1000, false),
        ] {
            let checked = check(Path::new("a.key"), owner, mode, user);
            assert_eq!(checked.is_ok(), can, "{owner} {mode:o} {user}: {checked:?}");
        }
    }
}
