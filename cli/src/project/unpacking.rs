//! Unpacks embedded files into a project, or into the user's cache.
//!
//! In the cache, the folder's name has the version and a hash of the content, so that a project keeps the SDK it
//! was made with. A folder that exists under its name is complete, even if several processes unpack
//! it at the same moment or unpacking is interrupted.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keynet_base::Digest;

use crate::errors::ExpectedError;
use crate::project::embedded::File;

/// Writes files, by their paths below `folder`, and makes the folders that they need.
///
/// # Errors
/// A file cannot be written.
pub fn write<P: AsRef<Path>, B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = (P, B)>,
    folder: &Path,
) -> Result<(), ExpectedError> {
    for (path, bytes) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(ExpectedError::io("make", parent))?;
        fs::write(&path, bytes).map_err(ExpectedError::io("write", &path))?;
    }
    Ok(())
}

/// Unpacks `files` into a folder of their own below `folder`, unless that exists, and returns its
/// absolute path.
///
/// # Errors
/// The cache cannot be written.
pub fn unpacked(files: &[File], folder: &Path) -> Result<PathBuf, ExpectedError> {
    let all = std::path::absolute(folder).map_err(ExpectedError::io("find", folder))?;
    let folder = all.join(format!("{}-{}", env!("CARGO_PKG_VERSION"), content_hash(files)));
    unpack(files, &folder).map_err(ExpectedError::io("unpack the SDK into", &folder))?;
    Ok(folder)
}

/// Returns a short hash of the names and contents of `files`.
pub fn content_hash<'a>(files: impl IntoIterator<Item = &'a File>) -> String {
    let mut all = Vec::new();
    for file in files {
        for part in [file.path.as_bytes(), file.bytes] {
            all.extend_from_slice(&(part.len() as u64).to_le_bytes());
            all.extend_from_slice(part);
        }
    }
    let digest = Digest::of(&all).hex();
    digest.get(..12).unwrap_or(&digest).to_owned()
}

/// Makes `folder` hold `files`, all at once. A damaged folder is replaced.
fn unpack(files: &[File], folder: &Path) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let mut tries = 0;
    while !is_intact(files, folder) {
        fs::create_dir_all(parent)?;
        // Removed when it is dropped, unless it was renamed.
        let draft = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent)?;
        for file in files {
            let path = draft.path().join(file.path);
            fs::create_dir_all(path.parent().unwrap_or(draft.path()))?;
            fs::write(path, file.bytes)?;
        }
        match fs::rename(draft.path(), folder) {
            // Another process was first, or the folder is damaged. A damaged folder is moved into
            // the draft, and is removed with it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) && tries < 10 =>
            {
                if !is_intact(files, folder) {
                    let _ = fs::rename(
                        folder,
                        draft.path().join(folder.file_name().unwrap_or(OsStr::new("damaged"))),
                    );
                }
                tries += 1;
            }
            renamed => return renamed,
        }
    }
    Ok(())
}

fn is_intact(files: &[File], folder: &Path) -> bool {
    files.iter().all(|file| fs::read(folder.join(file.path)).is_ok_and(|bytes| bytes == file.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_content_has_another_hash() {
        let file = |path, bytes| [File { path, bytes }];
        assert_eq!(content_hash(&file("a", b"b")), content_hash(&file("a", b"b")));
        assert_ne!(content_hash(&file("a", b"b")), content_hash(&file("ab", b"")));
    }
}
