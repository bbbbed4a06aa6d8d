//! Activation records and logs, in the database `activations.db` of the data folder.
//!
//! Why SQLite: it has the longest record of files that open after any crash, its format is stable
//! and read by common tools, and readers, a writer and a backup work side by side. A record is one
//! row with two indexes, so the slowness of SQL is small beside the write itself.
//!
//! A change is in a file when its call returns: it survives the end of the process at any moment.
//! A loss of power can take the changes of the last second, never a part of one. The file is a
//! journal, which takes a tenth of the time of a transaction; who reads finds all of it in the
//! database.
//!
//! | file | purpose |
//! |---|---|
//! | `database` | the file, its format and its connections |
//! | `namespaces` | what each namespace stores and may store |
//! | `entry` | a change |
//! | `journal` | two files of changes that are not in the database |
//! | `writer` | a transaction for many changes |
//! | `store` | how a change comes into the journal, and from there into the database |
//! | `reads` | get, list, count |
//! | `upkeep` | the thread that brings changes into the database, syncs and deletes |
//!
//! This room does not know what a record says: facts are bytes to it, `result` and `logs` are text.
//! Few records are ever read, so the JSON that OpenWhisk's clients expect is made at reading
//! (`invocation::RecordJson`). Records of earlier versions have that JSON instead of facts.

mod database;
mod entry;
mod error;
mod journal;
mod namespaces;
mod reads;
mod store;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use self::error::{RecordsError, Result};
pub use self::journal::NAMES as JOURNAL;
pub use self::namespaces::Retention;
pub use self::reads::Query;

use self::database::Database;
use self::entry::{Entry, parse_id};
use self::namespaces::Namespaces;
use self::reads::Readers;
use self::store::Store;
use self::upkeep::Upkeep;
use self::writer::Writer;

/// Bytes of the texts of a large record.
const LARGE: usize = 32 << 10;

/// What a record says beside its other fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Facts in a binary form, of which OpenWhisk's activation record can be made.
    Facts(Vec<u8>),
    /// OpenWhisk's activation record without `response` and `logs`, a JSON object: the form of
    /// versions before the facts.
    Document(String),
}

/// An activation that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Activation id: 32 hexadecimal digits, unique in the namespace.
    pub id: String,
    /// Namespace that the action was invoked in.
    pub namespace: Arc<str>,
    /// Action: `name` or `package/name`.
    pub path: String,
    /// Start, in milliseconds since 1970.
    pub start: u64,
    /// End, in milliseconds since 1970.
    pub end: u64,
    /// OpenWhisk's status code, 0 to 3.
    pub status: u8,
    /// What it says beside the other fields.
    pub content: Content,
    /// Result: JSON text. With a document, OpenWhisk's `response`: a JSON object.
    pub result: String,
    /// Logs: a JSON array of strings.
    pub logs: String,
}

impl Record {
    /// Reports whether storing the record takes long: milliseconds if there are many of them.
    pub fn is_large(&self) -> bool {
        self.result.len() + self.logs.len() > LARGE
    }
}

/// An activation that is acknowledged to its caller before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Activation id: 32 hexadecimal digits.
    pub id: String,
    /// Namespace that the action was invoked in.
    pub namespace: Arc<str>,
    /// Action: `name` or `package/name`.
    pub path: String,
    /// Time of the acceptance, in milliseconds since 1970.
    pub start: u64,
    /// What is needed to make a record if the process ends before the activation: a JSON object.
    pub document: String,
}

/// The activation records of all namespaces. A namespace cannot read another's.
pub struct Records {
    // The thread ends before the connections are closed.
    upkeep: Upkeep,
    store: Arc<Store>,
    readers: Readers,
    namespaces: Arc<Namespaces>,
}

impl Records {
    /// Opens the database in `folder`, or creates it. Activations that were accepted and had not
    /// finished when the last process ended become the records that `interrupted` makes. Blocks.
    ///
    /// # Errors
    /// The folder does not exist; another process uses the database; a later version wrote it; it
    /// cannot be read or written.
    pub fn open(
        folder: &Path,
        retention: Retention,
        interrupted: impl Fn(Accepted) -> Record,
    ) -> Result<Self> {
        let database = Arc::new(Database::open(folder)?);
        let loading = database.reader().and_then(|reader| Namespaces::load(&reader, retention));
        let namespaces =
            Arc::new(loading.map_err(|cause| {
                RecordsError::of(&database.file, "read activation records", cause)
            })?);
        let writer = Writer::open(Arc::clone(&database), Arc::clone(&namespaces))?;
        let store = Arc::new(Store::open(Arc::clone(&database), writer, interrupted)?);
        let readers =
            Readers::new(Arc::clone(&database), Arc::clone(&namespaces), Arc::clone(&store));
        let (kept, written) = (Arc::clone(&namespaces), Arc::clone(&store));
        let upkeep = Upkeep::start(database, kept, written, readers.none())?;
        Ok(Self { upkeep, store, readers, namespaces })
    }

    /// Stores that an activation was accepted; returns when that is in a file.
    ///
    /// # Errors
    /// The disk is full or fails; the id is not one.
    pub async fn accept(&self, accepted: &Accepted) -> Result<()> {
        self.store.submit(Entry::accept(accepted)?).await
    }

    /// Stores the record of an activation, after which it does not count as accepted; returns when
    /// that is in a file. An id that has a record in the namespace keeps it. Blocks if the record
    /// [is large](Record::is_large).
    ///
    /// # Errors
    /// The disk is full or fails; the id is not one.
    pub async fn finish(&self, record: &Record) -> Result<()> {
        let entry = Entry::finish(record)?;
        if record.is_large() {
            return self.store.submit_large(entry);
        }
        self.store.submit(entry).await
    }

    /// Returns the record of an activation, or `None` if `namespace` has none of this id.
    ///
    /// # Errors
    /// The database fails.
    pub async fn get(&self, namespace: &str, id: &str) -> Result<Option<Record>> {
        let Ok(id) = parse_id(id) else { return Ok(None) };
        self.readers.run(namespace, move |on, namespace| reads::get(on, namespace, id)).await
    }

    /// Returns the records that `query` selects, the one that began last first. Of those that
    /// began in the same millisecond, the one that was stored last comes first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn list(&self, namespace: &str, query: Query) -> Result<Vec<Record>> {
        self.readers.run(namespace, move |on, namespace| reads::list(on, namespace, &query)).await
    }

    /// Returns the number of records that `query` selects without its `skip` and `limit`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count(&self, namespace: &str, query: Query) -> Result<u64> {
        self.readers.run(namespace, move |on, namespace| reads::count(on, namespace, &query)).await
    }

    /// Returns the bytes of a namespace's records: their texts and facts, and 160 bytes for each.
    /// Those of the last second may be missing.
    pub fn usage(&self, namespace: &str) -> u64 {
        let namespace = self.namespaces.get(namespace);
        namespace.map_or(0, |namespace| namespace.bytes.load(Ordering::Relaxed))
    }

    /// Replaces the retention of all namespaces, and of those that have one of their own. Records
    /// that exceed it are deleted in the background, beginning now.
    pub fn set_retention(&self, general: Retention, own: HashMap<Arc<str>, Retention>) {
        self.namespaces.set_retention(general, own);
        self.upkeep.apply_retention();
    }
}
