//! A small file of secrets: readable only by its owner (0600 in a folder of 0700) and always
//! replaced as a whole.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use keynet_base::NewFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{Diagnostic, Exit};

/// Error of reading or storing a login. The message holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// There is no folder to store logins in.
    #[error("logins are kept below XDG_CONFIG_HOME or HOME, and neither is set")]
    NoHome,
    /// A system call failed.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// Operation that failed, such as "read the login".
        doing: &'static str,
        /// File or folder that the operation was for.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file or folder is unsafe for a secret, or is not of the expected type.
    #[error("{} {why}", path.display())]
    Unfit {
        /// File or folder.
        path: PathBuf,
        /// Problem, and the next thing to do.
        why: String,
    },
    /// The content of the file cannot be parsed.
    #[error("{} cannot be understood ({why}): correct it, or remove it and log in again", path.display())]
    NotUnderstood {
        /// File.
        path: PathBuf,
        /// Position and class of the error in its text.
        why: String,
    },
}

impl Diagnostic for AccountError {
    fn exit(&self) -> Exit {
        Exit::Io
    }

    fn context(&self) -> Option<&'static str> {
        Some("the login cannot be used")
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AccountError {
    let path = path.to_owned();
    move |source| AccountError::Io { doing, path, source }
}

fn unfit(path: &Path, why: impl Into<String>) -> AccountError {
    AccountError::Unfit { path: path.to_owned(), why: why.into() }
}

/// One of the files of secrets.
#[derive(Debug, Clone)]
pub(super) struct PrivateFile {
    folder: PathBuf,
    path: PathBuf,
}

impl PrivateFile {
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        Self { folder: folder.to_owned(), path: folder.join(name) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; `None` if it does not exist.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, AccountError> {
        let file = match File::open(&self.path) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            opened => opened.map_err(failed("read the login", &self.path))?,
        };
        let metadata = file.metadata().map_err(failed("read the login", &self.path))?;
        let owner = metadata.uid();
        if !metadata.is_file() {
            return Err(unfit(&self.path, "is no file: logins are kept there; move it away"));
        }
        if owner != 0 && my_uid().is_some_and(|me| me != 0 && me != owner) {
            return Err(unfit(
                &self.path,
                format!(
                    "belongs to another user ({owner}), who could have put a login of his own there"
                ),
            ));
        }
        let text = io::read_to_string(file).map_err(failed("read the login", &self.path))?;
        // serde's own message may quote the text.
        let wrong = |error: serde_json::Error| {
            format!("line {}, column {}: {:?}", error.line(), error.column(), error.classify())
        };
        let understood = serde_json::from_str(&text);
        understood.map(Some).map_err(|error| AccountError::NotUnderstood {
            path: self.path.clone(),
            why: wrong(error),
        })
    }

    /// Reports whether other users can read the file; its content is then not secret.
    pub(super) fn is_open_to_others(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
    }

    /// Replaces the whole file: a reader sees the old text or the new one, and only the owner can
    /// read it.
    pub(super) fn write(&self, content: &impl Serialize) -> Result<(), AccountError> {
        self.make_folder()?;
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_symlink() => {
                let to = fs::read_link(&self.path).unwrap_or_default();
                let why = format!(
                    "is a symbolic link to {}: a login is not written where a link leads; remove \
                        the link",
                    to.display()
                );
                return Err(unfit(&self.path, why));
            }
            Ok(found) if !found.is_file() => {
                return Err(unfit(&self.path, "is no file: logins are kept there; move it away"));
            }
            _ => {}
        }
        let mut text = serde_json::to_string_pretty(content)
            .map_err(|error| unfit(&self.path, format!("cannot hold this: {error}")))?;
        text.push('\n');
        let kept = failed("keep the login in", &self.path);
        let write = || {
            let new = NewFile::beside(&self.path, NewFile::PRIVATE)?;
            new.file().write_all(text.as_bytes())?;
            new.put_for_good(&self.path)
        };
        write().map_err(kept)
    }

    /// Removes the file; returns `false` if it did not exist.
    pub(super) fn remove(&self) -> Result<bool, AccountError> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("remove the login", &self.path)(error)),
        }
    }

    /// Locks the folder, so that other processes of this program do not change the file meanwhile.
    pub(super) fn lock(&self) -> Result<File, AccountError> {
        self.make_folder()?;
        let folder = File::open(&self.folder).map_err(failed("open", &self.folder))?;
        folder.lock().map_err(failed("lock", &self.folder))?;
        Ok(folder)
    }

    fn make_folder(&self) -> Result<(), AccountError> {
        let folder = &self.folder;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("make the folder of logins", folder))?;
        let metadata =
            fs::metadata(folder).map_err(failed("look at the folder of logins", folder))?;
        if metadata.mode() & 0o777 == 0o700 {
            return Ok(());
        }
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(|error| {
            let mode = metadata.mode() & 0o777;
            unfit(
                folder,
                format!(
                    "is open to others (mode {mode:o}) and its mode cannot be changed to 700 \
                        ({error}): make it yours alone"
                ),
            )
        })
    }
}

/// Returns the user that this process runs as: the owner of its own folder in `/proc`.
fn my_uid() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn file(folder: &Path) -> PrivateFile {
        PrivateFile::new(&folder.join("keynet"), "config.json")
    }

    #[test]
    fn it_is_for_its_owner_alone_and_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        assert_eq!(file.read::<Value>().unwrap(), None);
        file.write(&json!({"a": 1})).unwrap();
        file.write(&json!({"b": 2})).unwrap();
        assert_eq!(file.read::<Value>().unwrap(), Some(json!({"b": 2})));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(file.path()), mode(&folder.path().join("keynet"))), (0o600, 0o700));
        assert_eq!(fs::read_dir(folder.path().join("keynet")).unwrap().count(), 1);
        assert!(file.remove().unwrap() && !file.remove().unwrap());
    }

    #[test]
    fn what_was_open_to_others_is_closed_by_the_next_login() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.write(&json!({})).unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(folder.path().join("keynet"), Permissions::from_mode(0o755)).unwrap();
        assert!(file.is_open_to_others());
        file.write(&json!({})).unwrap();
        assert!(!file.is_open_to_others());
        assert_eq!(fs::metadata(folder.path().join("keynet")).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_link_is_not_written_through_and_a_broken_text_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "{\"token\": \"hunter2\" hunter3").unwrap();
        fs::create_dir(folder.path().join("keynet")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, file.path()).unwrap();
        let error = file.write(&json!({})).unwrap_err().to_string();
        assert!(error.contains("symbolic link to") && error.contains("elsewhere"), "{error}");
        let error = file.read::<Value>().unwrap_err().to_string();
        assert!(error.contains("cannot be understood") && !error.contains("hunter"), "{error}");
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(file.read::<Value>().unwrap_err().to_string().contains("is no file"));
        assert!(file.write(&json!({})).unwrap_err().to_string().contains("is no file"));
    }
}
