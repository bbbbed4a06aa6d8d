//! The host's own folder: keys that only this host knows, kept away from everything an action or a cache can touch.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// `KEYNET_STATE_DIR`: a folder of mode 0700 with one file a key.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// The folder at `path`; it is made when the first key is.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The 32-byte key called `name`, made from the system's randomness the first time it is asked for. Processes that ask at the
    /// same moment get the same key.
    ///
    /// # Errors
    /// The folder cannot be written, or the key file is damaged or readable by other users.
    pub fn key(&self, name: &str) -> io::Result<[u8; 32]> {
        let path = self.0.join(name);
        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("key {}: {error}; KEYNET_STATE_DIR says where keys are kept", path.display()))
        };
        match read_key(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_key(&path).map_err(explain),
            found => found.map_err(explain),
        }
    }

    fn make_key(&self, path: &Path) -> io::Result<[u8; 32]> {
        fs::create_dir_all(&self.0)?;
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))?;
        let mut key = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        // Written beside and linked into place, so that nobody ever reads half a key and the first of two writers wins.
        let draft = tempfile::Builder::new().prefix(".key-").tempfile_in(&self.0)?;
        draft.as_file().write_all(&key)?;
        draft.as_file().sync_all()?;
        match draft.persist_noclobber(path) {
            Ok(_) => Ok(key),
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => read_key(path),
            Err(failed) => Err(failed.error),
        }
    }
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()).open(path)?;
    let about = file.metadata()?;
    if about.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "other users can read it; chmod 600 it, or delete it to make a new one",
        ));
    }
    let mut key = [0; 32];
    if about.len() != 32 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not 32 bytes long; delete it to make a new one"));
    }
    file.read_exact(&mut key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path().join("state"));
        let key = state.key("aot").unwrap();
        assert_eq!(state.key("aot").unwrap(), key);
        assert_ne!(state.key("storage").unwrap(), key);
        assert_eq!(fs::metadata(state.path().join("aot")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::new(folder.path());
        state.key("aot").unwrap();
        fs::set_permissions(folder.path().join("aot"), fs::Permissions::from_mode(0o644)).unwrap();
        let error = state.key("aot").unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
