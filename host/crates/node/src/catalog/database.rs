//! The database `node.db`.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Code;
use crate::entities::{Action, Package};

const FILE: &str = "node.db";

/// Version of the tables. A file of an older version is migrated when it is opened.
const VERSION: u32 = 1;

const TABLES: &str = "
    CREATE TABLE actions (
        namespace TEXT NOT NULL, package TEXT NOT NULL, name TEXT NOT NULL,
        document TEXT NOT NULL, bytes INTEGER NOT NULL,
        PRIMARY KEY (namespace, package, name)
    ) WITHOUT ROWID;
    CREATE TABLE codes (
        namespace TEXT NOT NULL, package TEXT NOT NULL, name TEXT NOT NULL,
        text TEXT NOT NULL, pulled BLOB,
        UNIQUE (namespace, package, name)
    );
    CREATE TABLE packages (
        namespace TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (namespace, name)
    ) WITHOUT ROWID;
";

/// Error of the database of actions and packages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// It cannot be read or written.
    #[error("the database {}: {error}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Reason.
        error: rusqlite::Error,
    },
    /// Its file cannot be created.
    #[error("cannot create {}: {error}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Reason.
        error: std::io::Error,
    },
    /// A newer version of the program wrote it.
    #[error(
        "{} has version {found} of its format, and this program knows {VERSION}: use the program \
            that wrote it, or a newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        found: u32,
    },
    /// A document in it cannot be read.
    #[error("{}: the document of {name}: {error}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Name of the entity.
        name: String,
        /// Reason.
        error: serde_json::Error,
    },
    /// The process is shutting down.
    #[error("the node is shutting down")]
    Stopped,
}

pub(super) struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    pub(super) fn open(folder: &Path) -> Result<Self, CatalogError> {
        let path = folder.join(FILE);
        // Before SQLite does, which would let others read it.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| CatalogError::Create { path: path.clone(), error })?;
        let failed = |error| CatalogError::Database { path: path.clone(), error };
        let connection = Connection::open(&path).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(failed)?;
        for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection.pragma_update(None, name, value).map_err(failed)?;
        }
        let found: u32 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
        match found {
            VERSION => {}
            0 => {
                let create = format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;");
                connection.execute_batch(&create).map_err(failed)?;
            }
            found => return Err(CatalogError::Newer { path, found }),
        }
        Ok(Self { connection, path })
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> CatalogError + use<> {
        let path = self.path.clone();
        move |error| CatalogError::Database { path: path.clone(), error }
    }

    fn parse<T: for<'a> serde::Deserialize<'a>>(
        &self,
        name: String,
        text: &str,
    ) -> Result<T, CatalogError> {
        let path = self.path.clone();
        serde_json::from_str(text).map_err(|error| CatalogError::Document { path, name, error })
    }

    /// Returns all actions with the sizes of their code in bytes.
    pub(super) fn actions(&self) -> Result<Vec<(Action, u64)>, CatalogError> {
        let failed = self.failed();
        let sql = "SELECT namespace || '/' || package || '/' || name, document, bytes FROM actions";
        let mut query = self.connection.prepare(sql).map_err(&failed)?;
        let rows = query
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))
            .map_err(&failed)?;
        rows.map(|row| {
            let (name, document, bytes): (String, String, u64) = row.map_err(&failed)?;
            Ok((self.parse(name, &document)?, bytes))
        })
        .collect()
    }

    pub(super) fn packages(&self) -> Result<Vec<Package>, CatalogError> {
        let failed = self.failed();
        let sql = "SELECT namespace || '/' || name, document FROM packages";
        let mut query = self.connection.prepare(sql).map_err(&failed)?;
        let rows = query
            .query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
            .map_err(&failed)?;
        rows.map(|row| {
            let (name, document): (String, String) = row.map_err(&failed)?;
            self.parse(name, &document)
        })
        .collect()
    }

    pub(super) fn put_action(
        &mut self,
        action: &Action,
        code: Option<&Code>,
        bytes: u64,
    ) -> Result<(), CatalogError> {
        let failed = self.failed();
        let (package, name) = (&action.name.package, &action.name.name);
        let document = document(action)?;
        let change = self.connection.transaction().map_err(&failed)?;
        change
            .execute(
                "INSERT OR REPLACE INTO actions VALUES (?, ?, ?, ?, ?)",
                params![action.namespace, package, name, document, bytes],
            )
            .map_err(&failed)?;
        if let Some(Code { text, pulled }) = code {
            change
                .execute(
                    "INSERT OR REPLACE INTO codes VALUES (?, ?, ?, ?, ?)",
                    params![action.namespace, package, name, text, pulled],
                )
                .map_err(&failed)?;
        } else if action.digest.is_none() {
            // A component became a sequence.
            change
                .execute(REMOVE_CODE, params![action.namespace, package, name])
                .map_err(&failed)?;
        }
        change.commit().map_err(failed)
    }

    pub(super) fn remove_action(&mut self, action: &Action) -> Result<(), CatalogError> {
        let failed = self.failed();
        let name = params![action.namespace, action.name.package, action.name.name];
        let change = self.connection.transaction().map_err(&failed)?;
        change
            .execute("DELETE FROM actions WHERE namespace = ? AND package = ? AND name = ?", name)
            .map_err(&failed)?;
        change.execute(REMOVE_CODE, name).map_err(&failed)?;
        change.commit().map_err(failed)
    }

    pub(super) fn put_package(&mut self, package: &Package) -> Result<(), CatalogError> {
        let document = document(package)?;
        self.connection
            .execute(
                "INSERT OR REPLACE INTO packages VALUES (?, ?, ?)",
                params![package.namespace, package.name, document],
            )
            .map(drop)
            .map_err(self.failed())
    }

    /// Removes a package with its actions.
    pub(super) fn remove_package(&mut self, package: &Package) -> Result<(), CatalogError> {
        let failed = self.failed();
        let change = self.connection.transaction().map_err(&failed)?;
        for sql in [
            "DELETE FROM packages WHERE namespace = ? AND name = ?",
            "DELETE FROM actions WHERE namespace = ? AND package = ?",
            "DELETE FROM codes WHERE namespace = ? AND package = ?",
        ] {
            change.execute(sql, params![package.namespace, package.name]).map_err(&failed)?;
        }
        change.commit().map_err(failed)
    }

    pub(super) fn code(&self, action: &Action) -> Result<Option<Code>, CatalogError> {
        let sql = "SELECT text, pulled FROM codes WHERE namespace = ? AND package = ? AND name = ?";
        self.connection
            .query_row(
                sql,
                params![action.namespace, action.name.package, action.name.name],
                |row| Ok(Code { text: row.get(0)?, pulled: row.get(1)? }),
            )
            .optional()
            .map_err(self.failed())
    }
}

const REMOVE_CODE: &str = "DELETE FROM codes WHERE namespace = ? AND package = ? AND name = ?";

fn document(entity: &impl serde::Serialize) -> Result<String, CatalogError> {
    serde_json::to_string(entity).map_err(|error| CatalogError::Document {
        path: PathBuf::from(FILE),
        name: "an entity".to_owned(),
        error,
    })
}
