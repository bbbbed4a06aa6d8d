//! Reading: on connections that cannot write, on the blocking pool.

use std::sync::{Arc, Mutex, PoisonError};

use keynet_base::apart::{apart, joined};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::Semaphore;

use super::database::Database;
use super::entry::Id;
use super::error::{RecordsError, Result};
use super::namespaces::{Namespace, Namespaces};
use super::store::Store;
use super::writer::integer;
use super::{Content, Record};

/// Connections that read at the same time.
const READERS: usize = 4;

/// Selection of a namespace's records.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Path of the action: `name` or `package/name`.
    pub path: Option<String>,
    /// Earliest start, in milliseconds since 1970.
    pub since: Option<u64>,
    /// Latest start, in milliseconds since 1970.
    pub upto: Option<u64>,
    /// Records to leave out, of the newest.
    pub skip: usize,
    /// Records to return at most.
    pub limit: usize,
    /// Whether results and logs are read; they are empty otherwise.
    pub with_results: bool,
}

/// Connections for reading.
pub(super) struct Readers {
    pub database: Arc<Database>,
    namespaces: Arc<Namespaces>,
    store: Arc<Store>,
    idle: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

/// Places of all readers: while they are held, nobody reads.
pub(super) struct NoReaders(Arc<Semaphore>);

impl NoReaders {
    /// Waits until those who read are done, lets nobody read, and runs `work`. Blocks.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let waiting = tokio::runtime::Builder::new_current_thread().build();
        // Without memory for a runtime they are not waited for, and the work may have to be repeated.
        let _all = waiting.map(|waiting| waiting.block_on(self.0.acquire_many(READERS as u32)));
        work()
    }
}

impl Readers {
    pub fn new(database: Arc<Database>, namespaces: Arc<Namespaces>, store: Arc<Store>) -> Self {
        let places = Arc::new(Semaphore::new(READERS));
        Self { database, namespaces, store, idle: Arc::default(), places }
    }

    pub fn none(&self) -> NoReaders {
        NoReaders(Arc::clone(&self.places))
    }

    /// Runs `read` with a connection on the blocking pool, after what was stored before is in the
    /// database. A namespace that has no records has the default.
    pub async fn run<T: Default + Send + 'static>(
        &self,
        namespace: &str,
        read: impl FnOnce(&Connection, &Namespace) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let closed = RecordsError::Closed { file: self.database.file.clone() };
        let places = Arc::clone(&self.places);
        let (database, idle) = (Arc::clone(&self.database), Arc::clone(&self.idle));
        let (namespaces, store) = (Arc::clone(&self.namespaces), Arc::clone(&self.store));
        let namespace = namespace.to_owned();
        let read_one = move || {
            let failed = |cause| RecordsError::of(&database.file, "read activation records", cause);
            store.settle()?;
            let Some(namespace) = namespaces.get(&namespace) else { return Ok(T::default()) };
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => database.reader().map_err(failed)?,
            };
            // After a failure the connection is closed.
            let done = read(&connection, &namespace).map_err(failed)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(done)
        };
        // Readers of other namespaces wait for its place, too.
        let reading = apart(async move {
            let place = places.acquire_owned().await.ok()?; // it is never closed
            let reading = tokio::task::spawn_blocking(move || {
                let _place = place;
                read_one()
            });
            joined(reading.await)
        });
        reading.await.unwrap_or(Err(closed))
    }
}

/// Reads the record of `namespace` that has this id.
pub(super) fn get(
    connection: &Connection,
    namespace: &Namespace,
    id: Id,
) -> rusqlite::Result<Option<Record>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, start, \"end\", status, path, facts, document,
                coalesce(result, response), coalesce(lines, logs)
         FROM records INDEXED BY records_by_id WHERE namespace = ? AND id = ?",
    )?;
    statement.query_row(params![namespace.number, id], |row| record(row, namespace)).optional()
}

const FILTER: &str = "WHERE namespace = ? AND start BETWEEN ? AND ?";

/// Reads records of `namespace`, newest first.
pub(super) fn list(
    connection: &Connection,
    namespace: &Namespace,
    query: &Query,
) -> rusqlite::Result<Vec<Record>> {
    let results = if query.with_results {
        "coalesce(result, response), coalesce(lines, logs)"
    } else {
        "'', ''"
    };
    let path = if query.path.is_some() { "AND path = ?" } else { "" };
    let limit = integer(query.limit as u64);
    let skip = integer(query.skip as u64);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, start, \"end\", status, path, facts, document, {results} FROM records
         INDEXED BY records_by_start {FILTER} {path}
         ORDER BY start DESC, seq DESC LIMIT {limit} OFFSET {skip}"
    ))?;
    let (since, upto) = times(query);
    let read = |row: &Row| record(row, namespace);
    match &query.path {
        Some(path) => {
            statement.query_map(params![namespace.number, since, upto, path], read)?.collect()
        }
        None => statement.query_map(params![namespace.number, since, upto], read)?.collect(),
    }
}

/// Counts the records of `namespace` that `query` selects without its `skip` and `limit`.
pub(super) fn count(
    connection: &Connection,
    namespace: &Namespace,
    query: &Query,
) -> rusqlite::Result<u64> {
    let path = if query.path.is_some() { "AND path = ?" } else { "" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT count(*) FROM records INDEXED BY records_by_start {FILTER} {path}"
    ))?;
    let (since, upto) = times(query);
    let read = |row: &Row| row.get::<_, i64>(0);
    let count = match &query.path {
        Some(path) => statement.query_row(params![namespace.number, since, upto, path], read)?,
        None => statement.query_row(params![namespace.number, since, upto], read)?,
    };
    Ok(count.unsigned_abs())
}

fn times(query: &Query) -> (i64, i64) {
    (integer(query.since.unwrap_or(0)), integer(query.upto.unwrap_or(u64::MAX)))
}

fn record(row: &Row, namespace: &Namespace) -> rusqlite::Result<Record> {
    let content = match row.get(5)? {
        Some(facts) => Content::Facts(facts),
        None => Content::Document(row.get(6)?),
    };
    Ok(Record {
        id: hex::encode(row.get::<_, Id>(0)?),
        namespace: Arc::clone(&namespace.name),
        start: row.get::<_, i64>(1)?.unsigned_abs(),
        end: row.get::<_, i64>(2)?.unsigned_abs(),
        status: row.get(3)?,
        path: row.get(4)?,
        content,
        result: row.get(7)?,
        logs: row.get(8)?,
    })
}
