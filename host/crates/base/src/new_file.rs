//! File that becomes visible only when it is complete: until then its name refers to the previous
//! file.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use tempfile::{Builder, NamedTempFile};

/// File that is being written and has no final name yet.
#[derive(Debug)]
pub struct NewFile(Draft);

/// Unnamed file on systems that support it, so that nothing is left if its process is killed;
/// otherwise a temporary file beside the final name.
#[derive(Debug)]
enum Draft {
    Nameless(File),
    Named(NamedTempFile),
}

impl NewFile {
    /// Mode: readable by everyone, writable by the owner.
    pub const READABLE: u32 = 0o644;

    /// Mode that most programs use: only the umask restricts it.
    pub const PLAIN: u32 = 0o666;

    /// Mode: accessible by the owner only.
    pub const PRIVATE: u32 = 0o600;

    /// Creates a new file in the folder of `path`; the umask applies to `mode`.
    ///
    /// # Errors
    /// The folder does not exist or cannot be written.
    pub fn beside(path: &Path, mode: u32) -> io::Result<Self> {
        let folder = folder(path);
        let nameless = openat(
            CWD,
            folder,
            OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
            Mode::from_raw_mode(mode),
        );
        match nameless {
            Ok(file) => Ok(Self(Draft::Nameless(file.into()))),
            Err(_) => named()
                .permissions(Permissions::from_mode(mode))
                .tempfile_in(folder)
                .map(|file| Self(Draft::Named(file))),
        }
    }

    /// Writes `bytes` to `path` atomically.
    ///
    /// # Errors
    /// Those of [`beside`](Self::beside) and [`put`](Self::put).
    pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
        let new = Self::beside(path, mode)?;
        new.file().write_all(bytes)?;
        new.put(path)
    }

    /// Returns the file to write the content to.
    pub fn file(&self) -> &File {
        match &self.0 {
            Draft::Nameless(file) => file,
            Draft::Named(file) => file.as_file(),
        }
    }

    /// Renames the file to `path`, replacing an existing file.
    ///
    /// # Errors
    /// The path is a folder, or the folder cannot be written any more.
    pub fn put(self, path: &Path) -> io::Result<()> {
        let named = match self.0 {
            Draft::Named(file) => file.into_temp_path(),
            Draft::Nameless(file) => {
                let own = format!("/proc/self/fd/{}", file.as_raw_fd());
                let link = |name: &Path| {
                    linkat(CWD, own.as_str(), CWD, name, AtFlags::SYMLINK_FOLLOW)
                        .map_err(io::Error::from)
                };
                named().make_in(folder(path), link)?.into_temp_path()
            }
        };
        Ok(named.persist(path)?)
    }

    /// Renames the file to `path` and syncs it, so that it survives a loss of power.
    ///
    /// # Errors
    /// Those of [`put`](Self::put), and of the disk.
    pub fn put_for_good(self, path: &Path) -> io::Result<()> {
        self.file().sync_all()?;
        self.put(path)?;
        File::open(folder(path))?.sync_all()
    }
}

fn named() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".keynet-");
    builder
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_when_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("action.wasm");
        std::fs::write(&path, b"old").unwrap();
        let nameless: fn(&Path) -> NewFile =
            |path| NewFile::beside(path, NewFile::PRIVATE).unwrap();
        for make in [nameless, |path| {
            NewFile(Draft::Named(named().tempfile_in(path.parent().unwrap()).unwrap()))
        }] {
            let abandoned = make(&path);
            abandoned.file().write_all(b"half").unwrap();
            drop(abandoned);
            for put in [NewFile::put, NewFile::put_for_good] {
                let new = make(&path);
                new.file().write_all(b"new").unwrap();
                assert_ne!(std::fs::read(&path).unwrap(), b"new");
                put(new, &path).unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), b"new");
                assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
                std::fs::write(&path, b"old").unwrap();
            }
        }
    }

    #[test]
    fn the_mode_is_that_of_other_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777
        };
        std::fs::write(folder.path().join("usual"), b"").unwrap();
        NewFile::write(&folder.path().join("ours"), NewFile::PLAIN, b"x").unwrap();
        assert_eq!(mode("ours"), mode("usual"));
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("action.wasm");
        std::fs::create_dir(&path).unwrap();
        assert!(NewFile::write(&path, NewFile::READABLE, b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
