//! A file that is seen when it is whole, and not before.

use std::fs::{File, Permissions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use tempfile::{Builder, NamedTempFile};

use super::error::{ArtifactError, Result};

const READABLE: u32 = 0o644;

/// A file without a name where the system has such, so that nothing is left of it when its process is killed; otherwise one with a
/// name of its own, beside the one it will get.
pub(super) enum NewFile {
    Nameless(File),
    Named(NamedTempFile),
}

impl NewFile {
    /// A new file in the folder of `path`.
    pub(super) fn beside(path: &Path) -> Result<Self> {
        let folder = folder(path);
        let nameless = openat(CWD, folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(READABLE));
        if let Ok(file) = nameless {
            return Ok(Self::Nameless(file.into()));
        }
        let named = named().tempfile_in(folder);
        named.map(Self::Named).map_err(ArtifactError::io("write", path))
    }

    pub(super) fn file(&self) -> &File {
        match self {
            Self::Nameless(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Gives it the name `path`, in place of what had it.
    pub(super) fn put(self, path: &Path) -> Result<()> {
        self.file().sync_all().map_err(ArtifactError::io("write", path))?;
        let named = match self {
            Self::Named(file) => file.into_temp_path(),
            Self::Nameless(file) => {
                let own = format!("/proc/self/fd/{}", file.as_raw_fd());
                let link = |name: &Path| linkat(CWD, own.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW).map_err(std::io::Error::from);
                named().make_in(folder(path), link).map_err(ArtifactError::io("write", path))?.into_temp_path()
            }
        };
        named.persist(path).map_err(|error| ArtifactError::io("write", path)(error.error))?;
        let folder = PathBuf::from(folder(path));
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(ArtifactError::io("write", &folder))
    }
}

fn named() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".keynet-").permissions(Permissions::from_mode(READABLE));
    builder
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_when_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("action.wasm");
        std::fs::write(&path, b"old").unwrap();
        let both: [fn(&Path) -> NewFile; 2] =
            [|path| NewFile::beside(path).unwrap(), |path| NewFile::Named(named().tempfile_in(path.parent().unwrap()).unwrap())];
        for make in both {
            let abandoned = make(&path);
            abandoned.file().write_all(b"half").unwrap();
            drop(abandoned);
            let new = make(&path);
            new.file().write_all(b"new").unwrap();
            assert_ne!(std::fs::read(&path).unwrap(), b"new");
            new.put(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"new");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o700, 0o600);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
            std::fs::write(&path, b"old").unwrap();
        }
    }
}
