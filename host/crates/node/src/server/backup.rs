//! A copy of a node's databases and journal, while the node runs or not.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::records::JOURNAL;

/// Databases of a node.
const DATABASES: [&str; 2] = ["node.db", "activations.db"];

/// Error of a backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder of the backup is there already.
    #[error("{} exists: name a folder that does not", .0.display())]
    Exists(PathBuf),
    /// The folder of the backup cannot be written.
    #[error("cannot write the backup {}: {error}", path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// Reason.
        error: io::Error,
    },
    /// A file of the node cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Reason.
        error: io::Error,
    },
    /// A database cannot be copied.
    #[error("cannot copy {}: {error}", path.display())]
    Copy {
        /// The database.
        path: PathBuf,
        /// Reason.
        error: rusqlite::Error,
    },
}

/// Copies the databases of the node in `data`, and the journal of its activations, to the new folder
/// `to`, each database as it is at one moment.
/// The folder takes its name when it is complete and on the disk.
///
/// # Errors
/// The folder exists or cannot be written, or `data` has no databases.
pub fn backup(data: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::Write { path: to.to_owned(), error };
    let exists = || BackupError::Exists(to.to_owned());
    if to.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let target = std::path::absolute(to).map_err(failed)?;
    let parent = target.parent().unwrap_or(Path::new("/"));
    let draft =
        tempfile::Builder::new().prefix(".keynet-backup-").tempdir_in(parent).map_err(failed)?;
    // First: what the database has taken from the journal meanwhile is then in its copy.
    for name in JOURNAL {
        let copied = private(&draft.path().join(name)).map_err(failed)?;
        let path = data.join(name);
        match File::open(&path) {
            Ok(mut journal) => io::copy(&mut journal, &mut &copied).map_err(failed).map(drop)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::Read { path, error }),
        }
        copied.sync_all().map_err(failed)?;
    }
    for name in DATABASES {
        let (path, copied) = (data.join(name), draft.path().join(name));
        copy(&path, &copied).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => failed(io::ErrorKind::StorageFull.into()),
            _ => BackupError::Copy { path, error },
        })?;
        File::open(&copied).and_then(|file| file.sync_all()).map_err(failed)?;
    }
    let sync = |folder: &Path| File::open(folder).and_then(|folder| folder.sync_all());
    sync(draft.path()).map_err(failed)?;
    // A folder with content, such as that of another backup meanwhile, is not replaced.
    std::fs::rename(draft.path(), &target).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => exists(),
        _ => failed(error),
    })?;
    let _ = draft.keep(); // it has its name now
    sync(parent).map_err(failed)
}

/// Copies the database `from`, without its unused pages, to the new file `to`.
fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    // Writable, since SQLite creates its index of the log beside a database that nothing uses.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(from, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    let to = to.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(to.to_owned()))?;
    private(Path::new(to)).map_err(|error| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
    })?;
    // SQLite accepts an existing file if it is empty.
    connection.execute("VACUUM INTO ?", [to]).map(drop)
}

/// Creates a file that only this user can access.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::catalog::Catalog;
    use crate::entities::{Package, PackagePut};
    use crate::records::{Accepted, Content, Query, Record, Records, Retention};

    const ALL: Retention = Retention {
        age: std::time::Duration::from_secs(100 * 365 * 24 * 3600),
        bytes_per_namespace: u64::MAX,
    };

    fn open(folder: &Path) -> Records {
        Records::open(folder, ALL, |lost: Accepted| Record {
            status: 3,
            ..record(u64::from_str_radix(&lost.id, 16).unwrap())
        })
        .unwrap()
    }

    fn record(number: u64) -> Record {
        Record {
            id: format!("{number:032x}"),
            namespace: "team".into(),
            path: "hello".to_owned(),
            start: 1_700_000_000_000 + number,
            end: 1_700_000_000_010 + number,
            status: 0,
            content: Content::Document("{}".to_owned()),
            result: "{}".to_owned(),
            logs: "[]".to_owned(),
        }
    }

    async fn starts(records: &Records) -> Vec<u64> {
        let query = Query { limit: usize::MAX, ..Query::default() };
        let listed = records.list("team", query).await.unwrap();
        listed.iter().rev().map(|record| record.start - 1_700_000_000_000).collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_backup_of_a_busy_node_opens_and_is_complete() {
        let (data, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let catalog = Catalog::open(data.path()).unwrap();
        let put: PackagePut = serde_json::from_str("{}").unwrap();
        catalog.put_package(Package::create("team", "tools", put)).await.unwrap();
        let records = Arc::new(open(data.path()));
        for number in 0..500 {
            records.finish(&record(number)).await.unwrap();
        }
        let accepted = Accepted {
            id: format!("{:032x}", 100_000),
            namespace: "team".into(),
            path: "hello".to_owned(),
            start: 1_700_000_000_000,
            document: "{}".to_owned(),
        };
        records.accept(&accepted).await.unwrap();
        let writing = tokio::spawn({
            let records = Arc::clone(&records);
            async move {
                for number in 500..50_000 {
                    records.finish(&record(number)).await.unwrap();
                }
            }
        });
        let (from, to) = (data.path().to_owned(), copies.path().join("saved"));
        let copying = tokio::task::spawn_blocking(move || backup(&from, &to));
        copying.await.unwrap().unwrap();
        writing.abort();

        let copy = copies.path().join("saved");
        for name in DATABASES.into_iter().chain(JOURNAL) {
            let mode = copy.join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert!(matches!(backup(data.path(), &copy), Err(BackupError::Exists(_))));
        let error = backup(data.path(), &copies.path().join("missing/copy")).unwrap_err();
        assert!(error.to_string().contains("missing/copy"), "{error}");
        let error = backup(&copies.path().join("nothing"), &copies.path().join("b")).unwrap_err();
        assert!(error.to_string().contains("nothing/node.db"), "{error}");
        assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 1, "nothing else is left");

        assert!(Catalog::open(&copy).unwrap().package("team", "tools").is_some());
        let copied = open(&copy);
        let interrupted = copied.get("team", &format!("{:032x}", 100_000)).await.unwrap().unwrap();
        assert_eq!(interrupted.status, 3, "it was running when the copy was made");
        let mut found = starts(&copied).await;
        assert_eq!(found.pop(), Some(100_000));
        let count = found.len() as u64;
        assert!(count >= 500 && found == (0..count).collect::<Vec<_>>(), "one moment: {count}");
    }
}
