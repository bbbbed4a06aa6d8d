//! Unpacking what the binary carries into the user's cache.
//!
//! It is unpacked by version and content, so that a project keeps the SDK it was made with, and as
//! a whole: a folder that is there under its name is complete, whoever else unpacks it at the same
//! moment and wherever that is interrupted.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keynet_base::Digest;

use crate::errors::ExpectedError;
use crate::project::embedded::File;

/// Unpacks `files` into a folder of their own below `folder`, unless they are there, and returns
/// its absolute path.
///
/// # Errors
/// The cache cannot be written.
pub fn unpacked(files: &[File], folder: &Path) -> Result<PathBuf, ExpectedError> {
    let all = std::path::absolute(folder).map_err(ExpectedError::io("find", folder))?;
    let folder = all.join(format!("{}-{}", env!("CARGO_PKG_VERSION"), content_hash(files)));
    unpack(files, &folder).map_err(ExpectedError::io("unpack the SDK into", &folder))?;
    Ok(folder)
}

/// A short name for what `files` are and hold.
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
        // Removed when it is dropped, unless it has another name by then.
        let draft = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent)?;
        for file in files {
            let path = draft.path().join(file.path);
            fs::create_dir_all(path.parent().unwrap_or(draft.path()))?;
            fs::write(path, file.bytes)?;
        }
        match fs::rename(draft.path(), folder) {
            // Somebody else was first, or the folder is damaged: then it makes room, and is removed
            // with the draft.
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
