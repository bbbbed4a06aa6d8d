//! The folder as a tree of descriptors: every step of a path is opened relative to its parent and
//! never through a symbolic link, so that nothing outside the folder can be reached, even while
//! another process replaces a folder by a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use chrono::DateTime;
use object_store::ObjectMeta;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

/// Reason why a path could not be followed.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing exists there, or nothing that is an object.
    Missing,
    /// A segment of the path is a symbolic link.
    Link,
    /// An object exists in place of a folder.
    NotAFolder,
    /// A folder exists in place of an object.
    IsAFolder,
    /// A file already exists.
    Taken,
    /// A segment, or the whole path, is longer than the file system allows.
    TooLong,
    /// The folder has no room for more.
    Full {
        /// Bytes that it has.
        used: u64,
        /// Bytes that it may have.
        most: u64,
    },
    /// Any other error.
    Io(io::Error),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NXIO => Self::Missing,
            Errno::LOOP => Self::Link,
            Errno::NOTDIR => Self::NotAFolder,
            Errno::ISDIR => Self::IsAFolder,
            Errno::NAMETOOLONG => Self::TooLong,
            other => Self::Io(other.into()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).map_or(Self::Io(error), Self::from)
    }
}

/// Version of an object's content: every write has another inode, time or size, because the store
/// never uses the same time twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    inode: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    pub(super) size: u64,
}

impl Version {
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between platforms")]
    fn of_stat(stat: &Stat) -> Self {
        let modified =
            i128::from(stat.st_mtime as i64) * 1_000_000_000 + stat.st_mtime_nsec as i128;
        Self { inode: stat.st_ino as u64, modified, size: u64::try_from(stat.st_size).unwrap_or(0) }
    }

    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of_stat(&fstat(file)?))
    }

    /// Returns its etag, in the format that `object_store` uses for local files.
    pub(super) fn etag(&self) -> String {
        format!("{:x}-{:x}-{:x}", self.inode, self.modified, self.size)
    }

    /// Returns a text that distinguishes the versions of one object. A copy of the folder that
    /// preserves times preserves it.
    pub(super) fn stamp(&self) -> String {
        format!("{:x}-{:x}", self.modified, self.size)
    }

    pub(super) fn meta(&self, location: object_store::path::Path) -> ObjectMeta {
        let seconds = i64::try_from(self.modified.div_euclid(1_000_000_000)).unwrap_or(0);
        let nanoseconds = u32::try_from(self.modified.rem_euclid(1_000_000_000)).unwrap_or(0);
        ObjectMeta {
            location,
            last_modified: DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default(),
            size: self.size,
            e_tag: Some(self.etag()),
            version: None,
        }
    }
}

/// Root of the folder. The path to it may contain links: the operator chose it.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Tree {
    /// Opens `folder`, creating it if it is missing.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.canonicalize()?;
        let root = openat(CWD, &path, FOLDER, Mode::empty())?;
        Ok(Self { root, path })
    }

    /// Returns the real path of the root.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder that `segments` lead to; `create` creates missing folders.
    pub(super) fn folder<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
        create: bool,
    ) -> Result<OwnedFd, Fault> {
        let mut at = self.root.try_clone()?;
        for segment in segments {
            at = match step(&at, segment) {
                Err(Fault::Missing) if create => {
                    match mkdirat(&at, segment, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                    step(&at, segment)?
                }
                other => other?,
            };
        }
        Ok(at)
    }

    /// Opens the folder that holds `key`, and returns it with the file's name.
    pub(super) fn parent<'k>(
        &self,
        key: &'k str,
        create: bool,
    ) -> Result<(OwnedFd, &'k str), Fault> {
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        Ok((self.folder(segments(folder), create)?, name))
    }

    /// Opens the object `key` for reading.
    pub(super) fn file(&self, key: &str) -> Result<(File, Version), Fault> {
        let (parent, name) = self.parent(key, false)?;
        // Non-blocking: opening a named pipe would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&parent, name, flags, Mode::empty())?;
        let version = object(&fstat(&file)?)?;
        Ok((file.into(), version))
    }

    /// Returns the version of the object `key`.
    pub(super) fn version(&self, key: &str) -> Result<Version, Fault> {
        let (parent, name) = self.parent(key, false)?;
        version_at(&parent, name)
    }

    /// Removes the folders above `key` that have become empty.
    pub(super) fn prune(&self, key: &str) {
        let mut rest = key;
        while let Some((folder, _)) =
            rest.rsplit_once('/').filter(|(folder, _)| self.remove_if_empty(folder))
        {
            rest = folder;
        }
    }

    /// Removes the folder `path` if it is empty, and reports whether it did.
    pub(super) fn remove_if_empty(&self, path: &str) -> bool {
        self.parent(path, false)
            .is_ok_and(|(parent, name)| unlinkat(&parent, name, AtFlags::REMOVEDIR).is_ok())
    }
}

/// Returns the version of the object called `name` in the folder `parent`.
pub(super) fn version_at(parent: impl AsFd, name: &str) -> Result<Version, Fault> {
    object(&statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Returns the segments of a path, which may be empty.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn step(at: &OwnedFd, segment: &str) -> Result<OwnedFd, Fault> {
    openat(at, segment, FOLDER, Mode::empty()).map_err(|errno| {
        // Linux reports either ELOOP or ENOTDIR for a link.
        let link = || {
            statat(at, segment, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|s| FileType::from_raw_mode(s.st_mode).is_symlink())
        };
        if errno == Errno::NOTDIR && link() { Fault::Link } else { errno.into() }
    })
}

fn object(stat: &Stat) -> Result<Version, Fault> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(Version::of_stat(stat)),
        FileType::Directory => Err(Fault::IsAFolder),
        FileType::Symlink => Err(Fault::Link),
        _ => Err(Fault::Missing),
    }
}
