//! Errors of the database of activation records, one variant for each remedy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Result of an operation on activation records.
pub type Result<T, E = RecordsError> = std::result::Result<T, E>;

/// Error of storing or reading activation records.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The file system of the database is full.
    #[error(
        "the disk that holds {} is full: free some space or lower the retention of activation \
         records; they are stored again as soon as there is room", .file.display()
    )]
    Full {
        /// The database.
        file: PathBuf,
    },
    /// SQLite failed.
    #[error(
        "cannot {action} in {}: {cause}; check the disk and the file's permissions, and restore \
         a backup if the file is damaged", .file.display()
    )]
    Database {
        /// The database.
        file: PathBuf,
        /// Operation that failed, such as `read activation records`.
        action: &'static str,
        /// Error of SQLite.
        cause: Arc<rusqlite::Error>,
    },
    /// A file or folder cannot be created or accessed.
    #[error("cannot {action} {}: {cause}", .file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// Operation that failed, such as `create`.
        action: &'static str,
        /// Error of the operating system.
        cause: Arc<std::io::Error>,
    },
    /// A later version of this program wrote the database.
    #[error(
        "{} has format {found}, and this version reads formats up to {known}: run the version \
         that wrote it, or a later one", .file.display()
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// Format of the file.
        found: i64,
        /// Newest format that this version reads.
        known: i64,
    },
    /// The file is a database of another program.
    #[error(
        "{} is not a database of activation records: move it away, or use another data folder",
        .file.display()
    )]
    Foreign {
        /// The database.
        file: PathBuf,
    },
    /// Another process has the database open.
    #[error(
        "{} is used by another process: stop that process, or use another data folder",
        .file.display()
    )]
    InUse {
        /// The database.
        file: PathBuf,
    },
    /// The text is not an activation id.
    #[error("{id:?} is not an activation id: 32 hexadecimal digits are required")]
    Id {
        /// Text that was given.
        id: String,
    },
    /// A record is larger than the journal takes.
    #[error("an activation record of {bytes} bytes is too large for {}", .file.display())]
    TooLarge {
        /// The database.
        file: PathBuf,
        /// Size of the record.
        bytes: usize,
    },
    /// The process is shutting down.
    #[error("activation records in {} are closed: the process is shutting down", .file.display())]
    Closed {
        /// The database.
        file: PathBuf,
    },
}

impl RecordsError {
    /// Returns the error for a failure of SQLite while it had to do `action`.
    pub(super) fn of(file: &Path, action: &'static str, cause: rusqlite::Error) -> Self {
        let file = file.to_owned();
        match cause.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { file },
            Some(ErrorCode::NotADatabase) => Self::Foreign { file },
            _ => Self::Database { file, action, cause: Arc::new(cause) },
        }
    }

    pub(super) fn io(file: &Path, action: &'static str, cause: std::io::Error) -> Self {
        Self::File { file: file.to_owned(), action, cause: Arc::new(cause) }
    }
}
