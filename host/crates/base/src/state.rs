//! State folder of the host: keys that only this host knows, kept away from everything that an
//! action or a cache can access.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, StatVfsMountFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};

const BYTES: usize = 32;

/// `KEYNET_STATE_DIR`: folder with one file for each key.
#[derive(Debug, Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// Returns the state folder at `path`; it is created together with the first key.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the reason why the missing key called `name` cannot be created: this process may not
    /// write to its folder. `None` if the key exists, or can be created as far as can be
    /// determined.
    pub fn why_without(&self, name: &str) -> Option<&'static str> {
        let folder = self
            .0
            .ancestors()
            .find(|path| path.is_dir())
            .filter(|_| !self.0.join(name).exists())?;
        if rustix::fs::statvfs(folder)
            .is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::RDONLY))
        {
            return Some("the file system is read-only");
        }
        let may = rustix::fs::accessat(
            rustix::fs::CWD,
            folder,
            Access::WRITE_OK | Access::EXEC_OK,
            AtFlags::EACCESS,
        );
        matches!(may, Err(Errno::ACCESS | Errno::PERM)).then_some("this user may not write there")
    }

    /// Returns the 32-byte key called `name`, generated from the system's randomness the first time
    /// it is requested. Two processes that create it at once get the same key. Blocks.
    ///
    /// # Errors
    /// For the operator, with the path. `denied`: the file is readable by other users or belongs to
    /// another user. `invalid`: it is not a key. `unavailable`: it cannot be read or written.
    pub fn key(&self, name: &str) -> Result<[u8; BYTES]> {
        self.key_outside(name, None)
    }

    /// Same as [`StateDir::key`], for a key that must not lie in `folder`, where actions could read
    /// it as an object: that is `denied`.
    ///
    /// # Errors
    /// Those of [`StateDir::key`].
    pub fn key_outside(&self, name: &str, folder: Option<&Path>) -> Result<[u8; BYTES]> {
        let failed = |doing: &str, path: &Path, error: &io::Error| {
            Error::unavailable(format!(
                "cannot {doing} {}: {error}; KEYNET_STATE_DIR says where keys are kept",
                path.display()
            ))
        };
        std::fs::create_dir_all(&self.0)
            .map_err(|error| failed("make the state folder", &self.0, &error))?;
        let path = self
            .0
            .canonicalize()
            .map_err(|error| failed("open the state folder", &self.0, &error))?
            .join(name);
        refuse_inside(&path, folder)?;
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create(&path).map_err(|error| failed("make the key", &path, &error))?;
                File::open(&path)
            }
            opened => opened,
        };
        let file = file.map_err(|error| failed("read the key", &path, &error))?;
        // The file itself may be a symbolic link, as mounted secrets are.
        refuse_inside(
            &path.canonicalize().map_err(|error| failed("read the key", &path, &error))?,
            folder,
        )?;
        read(file, &path)
    }
}

fn refuse_inside(path: &Path, folder: Option<&Path>) -> Result<()> {
    match folder {
        Some(folder) if path.starts_with(folder) => Err(Error::denied(format!(
            "the key {} lies in the storage folder {}, where actions could read it: put \
                KEYNET_STATE_DIR elsewhere",
            path.display(),
            folder.display()
        ))),
        _ => Ok(()),
    }
}

fn read(file: File, path: &Path) -> Result<[u8; BYTES]> {
    let metadata = file.metadata().map_err(|error| {
        Error::unavailable(format!("cannot read the key {}: {error}", path.display()))
    })?;
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::denied(format!(
            "the key {} can be read by others (mode {:04o}): run `chmod 600` on it, or delete it \
                to get a new one",
            path.display(),
            metadata.mode() & 0o7777
        )));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        return Err(Error::denied(format!(
            "the key {} belongs to another user ({}, not {me})",
            path.display(),
            metadata.uid()
        )));
    }
    let mut key = Vec::with_capacity(BYTES + 1);
    file.take(BYTES as u64 + 1).read_to_end(&mut key).map_err(|error| {
        Error::unavailable(format!("cannot read the key {}: {error}", path.display()))
    })?;
    <[u8; BYTES]>::try_from(key).map_err(|_| {
        Error::invalid(format!(
            "the key {} does not have {BYTES} bytes: delete it to get a new one",
            path.display()
        ))
    })
}

/// Writes a temporary file and links it to its final name: a concurrent process then reads the
/// complete key of the first.
fn create(path: &Path) -> io::Result<()> {
    let unfinished =
        Unfinished(path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple())));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished.0)?;
    file.write_all(&random()?)?;
    file.sync_all()?;
    match std::fs::hard_link(&unfinished.0, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn random() -> io::Result<[u8; BYTES]> {
    let mut key = [0; BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(key)
}

struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::error::ErrorKind as Kind;

    const FILE: &str = "storage.key";

    fn load_or_create(state: &Path, folder: &Path) -> Result<[u8; BYTES]> {
        StateDir::new(state).key_outside(FILE, Some(folder))
    }

    #[test]
    fn the_key_is_made_once_and_for_its_owner_only() {
        let state = tempfile::tempdir().unwrap();
        let folder = Path::new("/nowhere");
        let key = load_or_create(&state.path().join("deep"), folder).unwrap();
        assert_ne!(key, [0; BYTES]);
        assert_eq!(load_or_create(&state.path().join("deep"), folder).unwrap(), key);
        assert_ne!(StateDir::new(state.path()).key("another.key").unwrap(), key);
        let names: Vec<_> = std::fs::read_dir(state.path().join("deep"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, [FILE]);
        assert_eq!(
            std::fs::metadata(state.path().join("deep").join(FILE)).unwrap().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn many_who_make_it_at_once_get_the_same() {
        let state = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| load_or_create(state.path(), Path::new("/nowhere")).unwrap())
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join(FILE);
        load_or_create(state.path(), Path::new("/nowhere")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create(state.path(), Path::new("/nowhere")).unwrap_err();
        assert_eq!(error.kind, Kind::Denied);
        assert!(error.message.contains("0640") && error.message.contains("chmod 600"), "{error}");

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        for wrong in [&[1; 31][..], &[1; 33], &[]] {
            std::fs::write(&file, wrong).unwrap();
            assert_eq!(
                load_or_create(state.path(), Path::new("/nowhere")).unwrap_err().kind,
                Kind::Invalid
            );
        }
    }

    #[test]
    fn a_key_among_the_objects_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let error = load_or_create(&root.join("state"), &root).unwrap_err();
        assert_eq!(error.kind, Kind::Denied);
        assert!(error.message.contains("KEYNET_STATE_DIR"), "{error}");
        assert!(!root.join("state").join(FILE).exists());

        let state = tempfile::tempdir().unwrap();
        std::fs::write(root.join("k"), [1; BYTES]).unwrap();
        std::fs::set_permissions(root.join("k"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(root.join("k"), state.path().join(FILE)).unwrap();
        assert_eq!(load_or_create(state.path(), &root).unwrap_err().kind, Kind::Denied);
    }
}
