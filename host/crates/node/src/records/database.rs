//! The file: its format, and the settings of the connections to it.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::error::{RecordsError, Result};

/// Name of the database in the data folder.
pub(super) const NAME: &str = "activations.db";

/// Marks the file as ours: `application_id`, "KNAR".
const APPLICATION: i64 = 0x4b4e_4152;

/// Statements that bring the file from one format to the next; the first creates it.
///
/// `seq` grows with each record that is stored, so that new rows are appended.
/// Ids begin with their time, so that `records_by_id` grows at its ends too, one for each namespace.
/// `records_by_start` has all columns that a filter, a count, the retention and the sum of bytes
/// need: they do not read the rows.
/// `applied` is the number of the last change of the journal that is in the database.
/// `facts` is NULL in rows of the first two formats. In other rows `document`, `response` and `logs`
/// are empty, and `result` and `lines` take the place of the last two: SQLite reads all columns before
/// the one that is asked for, and a list asks for `facts` without large results and logs.
pub(super) const FORMATS: &[&str] = &[
    "
    CREATE TABLE namespaces (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE records (
        seq INTEGER PRIMARY KEY,
        namespace INTEGER NOT NULL,
        id BLOB NOT NULL,
        start INTEGER NOT NULL,
        \"end\" INTEGER NOT NULL,
        status INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        path TEXT NOT NULL,
        document TEXT NOT NULL,
        response TEXT NOT NULL,
        logs TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX records_by_id ON records (namespace, id);
    CREATE INDEX records_by_start ON records (namespace, start, seq, path, bytes);
    CREATE TABLE accepted (
        seq INTEGER PRIMARY KEY,
        namespace INTEGER NOT NULL,
        id BLOB NOT NULL,
        start INTEGER NOT NULL,
        path TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    ",
    "
    CREATE TABLE journal (
        applied INTEGER NOT NULL
    ) STRICT;
    INSERT INTO journal VALUES (0);
    ",
    "
    ALTER TABLE records ADD COLUMN facts BLOB;
    ALTER TABLE records ADD COLUMN result TEXT;
    ALTER TABLE records ADD COLUMN lines TEXT;
    ",
];

/// The database of a data folder, of which this process is the only user.
#[derive(Debug)]
pub(super) struct Database {
    pub file: PathBuf,
    /// Bytes in SQLite's log that are not known to be in the database, about.
    pub logged: AtomicU64,
    /// Locked as long as the process uses the database. A second process would take the first
    /// one's running activations for interrupted ones.
    _lock: File,
}

impl Database {
    /// Opens the database in `folder`, or creates it, and brings it to the newest format.
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = std::path::absolute(folder)
            .map_err(|cause| RecordsError::io(folder, "find the folder", cause))?;
        let file = folder.join(NAME);
        let lock = private(&folder.join("activations.lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(RecordsError::InUse { file }),
            Err(cause) => return Err(RecordsError::io(&file, "lock", cause.into())),
        }
        // SQLite gives its other files the mode of this one.
        private(&file)?;
        let database = Self { file, logged: AtomicU64::new(0), _lock: lock };
        let mut connection = database.writer()?;
        migrate(&database.file, &mut connection, FORMATS)?;
        let left = database.log_file().metadata().map_or(0, |log| log.len());
        database.logged.store(left, Ordering::Relaxed);
        Ok(database)
    }

    /// Opens the connection that writes. It never checkpoints by itself: that takes a sync.
    pub fn writer(&self) -> Result<Connection> {
        let opened = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|connection| {
            connection.execute_batch(
                "PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = NORMAL;
                 PRAGMA wal_autocheckpoint = 0;
                 PRAGMA journal_size_limit = 33554432;
                 PRAGMA cache_size = -32768;",
            )?;
            Ok(connection)
        });
        opened.map_err(|cause| RecordsError::of(&self.file, "store activation records", cause))
    }

    /// Opens a connection that only reads.
    pub fn reader(&self) -> rusqlite::Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn connect(&self, access: OpenFlags) -> rusqlite::Result<Connection> {
        // Without SQLITE_OPEN_URI a path has no special characters, and with NO_MUTEX SQLite
        // leaves it to Rust that a connection is used by one thread at a time.
        let connection =
            Connection::open_with_flags(&self.file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }

    /// Returns the data folder.
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(&self.file) // it has one: its path is absolute
    }

    /// Returns the path of SQLite's write-ahead log.
    pub fn log_file(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push("-wal");
        name.into()
    }
}

/// Opens or creates a file that only its owner can access.
pub(super) fn private(path: &Path) -> Result<File> {
    let open = || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(file)
    };
    open().map_err(|cause| RecordsError::io(path, "open or create", cause))
}

/// Brings the database to the last of `formats`, each step in one transaction.
pub(super) fn migrate(file: &Path, connection: &mut Connection, formats: &[&str]) -> Result<()> {
    let failed = |cause| RecordsError::of(file, "read the format of activation records", cause);
    let number = |connection: &Connection, sql| {
        connection.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(failed)
    };
    let found = number(connection, "PRAGMA user_version")?;
    let application = number(connection, "PRAGMA application_id")?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema")?;
    let empty = found == 0 && application == 0 && tables == 0;
    if !empty && application != APPLICATION {
        return Err(RecordsError::Foreign { file: file.to_owned() });
    }
    let known = formats.len() as i64;
    if found > known {
        return Err(RecordsError::Newer { file: file.to_owned(), found, known });
    }
    for (format, step) in (1..).zip(formats).skip(usize::try_from(found).unwrap_or_default()) {
        let migrated = connection.transaction().and_then(|transaction| {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", format)?;
            transaction.commit()
        });
        migrated.map_err(|cause| {
            RecordsError::of(file, "change the format of activation records", cause)
        })?;
    }
    Ok(())
}
