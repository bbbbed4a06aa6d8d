//! Unfinished writes: files under `.keynet/staging` that become objects by one rename. Files of
//! dead writers are removed when the folder is opened.
//!
//! A writer (one open store) has a random id, keeps `ID.lock` locked while it lives and names its
//! files `ID.1`, `ID.2`, ... The kernel releases the lock however the writer dies, so files whose
//! lock is free have no writer.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, linkat, openat, renameat, statat,
    unlinkat,
};
use rustix::io::Errno;

use super::super::location::RESERVED_SEGMENT;
use super::quota::{Quota, Share};
use super::tree::{Fault, Tree, Version};

/// One writer's files in the staging folder.
#[derive(Debug)]
pub(super) struct Staging {
    folder: OwnedFd,
    id: String,
    /// Locked until it is closed.
    _lock: OwnedFd,
    files: AtomicU64,
}

impl Staging {
    /// Removes the files of dead writers and registers a new writer.
    pub(super) fn open(tree: &Tree) -> Result<Arc<Self>, Fault> {
        let folder = tree.folder([RESERVED_SEGMENT, "staging"], true)?;
        remove_stale(&folder)?;
        loop {
            let id = uuid::Uuid::new_v4().simple().to_string();
            let lock = create(&folder, &lock_name(&id))?;
            // On a file system without locks, files of dead writers are never removed; nothing else
            // depends on the lock.
            let locked = flock(&lock, FlockOperation::LockExclusive).is_ok();
            // Another process may have removed the file as a dead writer's before it was locked.
            let ours = statat(&folder, lock_name(&id), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|s| fstat(&lock).is_ok_and(|l| l.st_ino == s.st_ino));
            if ours {
                tracing::debug!(%id, locked, "staging unfinished writes");
                return Ok(Arc::new(Self { folder, id, _lock: lock, files: AtomicU64::new(0) }));
            }
        }
    }

    /// Creates an empty file that is removed when dropped.
    pub(super) fn file(self: &Arc<Self>, quota: Option<&Arc<Quota>>) -> Result<Staged, Fault> {
        let name = format!("{}.{}", self.id, self.files.fetch_add(1, Ordering::Relaxed));
        let file = create(&self.folder, &name)?.into();
        Ok(Staged { staging: Arc::clone(self), name, file, share: Share::new(quota) })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = unlinkat(&self.folder, lock_name(&self.id), AtFlags::empty());
    }
}

/// File that is not yet visible as an object.
#[derive(Debug)]
pub(super) struct Staged {
    staging: Arc<Staging>,
    name: String,
    pub(super) file: File,
    /// Bytes of the folder's quota that it takes: they are taken before they are written.
    pub(super) share: Share,
}

impl Staged {
    /// Finishes the content: sets a unique modification time, which identifies the version.
    pub(super) fn seal(&self) -> io::Result<Version> {
        self.file.set_modified(unique_now())?;
        Version::of_file(&self.file)
    }

    /// Renames the file to `name` in the folder `parent`, replacing an existing file.
    pub(super) fn replace(&self, parent: &OwnedFd, name: &str) -> Result<(), Fault> {
        Ok(renameat(&self.staging.folder, &self.name, parent, name)?)
    }

    /// Links the file as `name` in the folder `parent`, where nothing may exist.
    ///
    /// # Errors
    /// [`Fault::Taken`]: `name` exists.
    pub(super) fn create(&self, parent: &OwnedFd, name: &str) -> Result<(), Fault> {
        match linkat(&self.staging.folder, &self.name, parent, name, AtFlags::empty()) {
            // A file system without hard links. The caller checked under the folder's lock; only a
            // process that does not take the lock could have created the file since.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => self.replace(parent, name),
            Err(Errno::EXIST) => Err(Fault::Taken),
            linked => Ok(linked?),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After a rename the name no longer exists; after a link the object has another name.
        let _ = unlinkat(&self.staging.folder, &self.name, AtFlags::empty());
    }
}

fn lock_name(id: &str) -> String {
    format!("{id}.lock")
}

fn create(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::from_raw_mode(0o666))
}

fn remove_stale(folder: &OwnedFd) -> Result<(), Fault> {
    let names = || -> Result<Vec<String>, Errno> {
        let entries = Dir::read_from(folder)?.collect::<Result<Vec<_>, _>>()?;
        let names = entries.iter().filter_map(|entry| entry.file_name().to_str().ok());
        Ok(names.filter(|name| !matches!(*name, "." | "..")).map(str::to_owned).collect())
    };
    let id_of = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let writers: BTreeSet<String> = names()?.iter().map(|name| id_of(name)).collect();
    for id in writers {
        let lock = match openat(
            folder,
            lock_name(&id),
            OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(lock) if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() => {
                Some(lock)
            }
            Ok(_) => continue, // alive
            // files without a lock: a writer creates its lock first and removes it last
            Err(Errno::NOENT) => None,
            Err(_) => continue, // belongs to another user, so it cannot be judged
        };
        for name in names()?.iter().filter(|name| id_of(name) == id && **name != lock_name(&id)) {
            let _ = unlinkat(folder, name, AtFlags::empty());
        }
        let _ = unlinkat(folder, lock_name(&id), AtFlags::empty());
        drop(lock);
    }
    Ok(())
}

/// Returns the current time, but always later than any time this process returned before.
fn unique_now() -> SystemTime {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
    let last = LAST.fetch_max(now, Ordering::Relaxed);
    let unique = if now > last { now } else { LAST.fetch_add(1, Ordering::Relaxed) + 1 };
    UNIX_EPOCH + Duration::from_nanos(unique)
}

/// Lock between this process's threads and other processes that use the same folder.
#[derive(Debug)]
pub(super) struct FolderLock(std::sync::Mutex<OwnedFd>);

impl FolderLock {
    pub(super) fn open(tree: &Tree) -> Result<Self, Fault> {
        let folder = tree.folder([RESERVED_SEGMENT], true)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(std::sync::Mutex::new(openat(&folder, "lock", flags, Mode::from_raw_mode(0o666))?)))
    }

    /// Runs `work` while holding the lock. On a file system without locks it only excludes this
    /// process's threads.
    pub(super) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        let lock = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let locked = loop {
            match flock(&*lock, FlockOperation::LockExclusive) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other.is_ok(),
            }
        };
        let done = work();
        if locked {
            let _ = flock(&*lock, FlockOperation::Unlock);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_contents_have_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let staged =
            Staging::open(&Tree::open(folder.path()).unwrap()).unwrap().file(None).unwrap();
        let sealed: Vec<_> = (0..100).map(|_| staged.seal().unwrap().etag()).collect();
        assert_eq!(sealed.iter().collect::<BTreeSet<_>>().len(), sealed.len());

        let times = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..10_000).map(|_| unique_now()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<BTreeSet<_>>()
        });
        assert_eq!(times.len(), 40_000);
    }
}
