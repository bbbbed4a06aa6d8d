//! The connection that writes, one transaction for each batch of changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::database::Database;
use super::error::{RecordsError, Result};
use super::namespaces::{Namespace, Namespaces};
use super::{Accepted, Record};

/// An activation's id as it is stored.
pub(super) type Id = [u8; 16];

/// Size that a record has beside its texts, about: numbers, keys of indexes, page headers.
const ROW_BYTES: usize = 160;

/// Size of a page of the database.
const PAGE: u64 = 4096;

/// Deletions of one transaction, which bound how long a deletion delays other writers.
const EVICTED_ROWS: i64 = 64;
const EVICTED_BYTES: u64 = 1 << 20;

/// Parses an activation id.
pub(super) fn parse_id(text: &str) -> Option<Id> {
    let mut id = Id::default();
    hex::decode_to_slice(text, &mut id).ok()?;
    Some(id)
}

/// Converts a time or a count to SQLite's integer.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A change of the database.
#[derive(Debug)]
pub(super) enum Change {
    Accept(Accepted),
    Finish(Record),
}

impl Change {
    /// Returns its size in bytes; that of a record is what it counts in its namespace's usage.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Accept(accepted) => accepted.path.len() + accepted.document.len() + ROW_BYTES,
            Self::Finish(record) => {
                let texts = [&record.path, &record.document, &record.response, &record.logs];
                texts.iter().map(|text| text.len()).sum::<usize>() + ROW_BYTES
            }
        }
    }

    fn activation(&self) -> (&Arc<str>, &str) {
        match self {
            Self::Accept(accepted) => (&accepted.namespace, &accepted.id),
            Self::Finish(record) => (&record.namespace, &record.id),
        }
    }
}

/// The connection, and what it has in memory to write less.
pub(super) struct Writer {
    connection: Connection,
    database: Arc<Database>,
    namespaces: Arc<Namespaces>,
    /// Accepted and not finished activations, with the key of their row.
    accepted: HashMap<(i64, Id), i64>,
    next_accepted: i64,
}

/// Changes of memory that follow a transaction, or are undone if it fails.
#[derive(Default)]
struct Effects {
    new_namespaces: HashMap<Arc<str>, i64>,
    accepted: Vec<(i64, Id)>,
    finished: Vec<((i64, Id), i64)>,
    stored: Vec<(Arc<str>, u64)>,
}

impl Writer {
    /// Opens the connection. Rows of accepted activations must have been
    /// [interrupted](Self::interrupt_accepted) before anything else is written.
    pub fn open(database: Arc<Database>, namespaces: Arc<Namespaces>) -> Result<Self> {
        let connection = database.writer()?;
        Ok(Self { connection, database, namespaces, accepted: HashMap::new(), next_accepted: 1 })
    }

    /// Stores a record, made by `interrupted`, for each activation that an earlier process
    /// accepted and did not finish.
    pub fn interrupt_accepted(&mut self, interrupted: impl Fn(Accepted) -> Record) -> Result<()> {
        loop {
            let (last, lost) = self.oldest_accepted().map_err(|cause| self.failure(cause))?;
            if lost.is_empty() {
                return Ok(());
            }
            let records = lost.into_iter().map(|lost| Change::Finish(interrupted(lost)));
            let changes: Vec<_> = records.collect();
            self.transact(&changes, Some(last))?;
        }
    }

    /// Reads the rows of the activations that were accepted first, and the key of the last of them.
    fn oldest_accepted(&self) -> rusqlite::Result<(i64, Vec<Accepted>)> {
        let mut statement = self.connection.prepare_cached(
            "SELECT accepted.seq, accepted.id, name, path, start, document FROM accepted
             JOIN namespaces ON namespaces.id = accepted.namespace
             ORDER BY accepted.seq LIMIT 256",
        )?;
        let mut rows = statement.query(())?;
        let (mut last, mut accepted) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            accepted.push(Accepted {
                id: hex::encode(row.get::<_, Id>(1)?),
                namespace: row.get(2)?,
                path: row.get(3)?,
                start: row.get::<_, i64>(4)?.unsigned_abs(),
                document: row.get(5)?,
            });
        }
        Ok((last, accepted))
    }

    /// Commits `changes` in one transaction. A change that contradicts the database fails alone.
    ///
    /// # Errors
    /// The transaction failed and nothing is stored. The next one is tried on a new connection if
    /// the state of this one is in doubt.
    pub fn commit(&mut self, changes: &[Change]) -> Result<Vec<Result<()>>> {
        self.transact(changes, None)
    }

    fn transact(
        &mut self,
        changes: &[Change],
        interrupted: Option<i64>,
    ) -> Result<Vec<Result<()>>> {
        let mut effects = Effects::default();
        let failure = match self.try_transact(changes, interrupted, &mut effects) {
            Ok(outcomes) => {
                let bytes = changes.iter().map(|change| change.bytes() as u64 + PAGE);
                let logged = 2 * PAGE + bytes.sum::<u64>();
                self.database.logged.fetch_add(logged, Ordering::Relaxed);
                for (name, number) in effects.new_namespaces {
                    self.namespaces.add(number, &name);
                }
                for (name, bytes) in effects.stored {
                    if let Some(namespace) = self.namespaces.get(&name) {
                        namespace.bytes.fetch_add(bytes, Ordering::Relaxed);
                    }
                }
                return Ok(outcomes);
            }
            Err(cause) => self.failure(cause),
        };
        self.accepted.extend(effects.finished);
        for activation in effects.accepted {
            self.accepted.remove(&activation);
        }
        self.recover(&failure);
        Err(failure)
    }

    /// Ends a failed transaction.
    fn recover(&mut self, failure: &RecordsError) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK"); // the next lines see if it failed
        }
        if matches!(failure, RecordsError::Full { .. }) && self.connection.is_autocommit() {
            return;
        }
        match self.database.writer() {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::warn!(%error, "a failed connection could not be replaced"),
        }
    }

    fn try_transact(
        &mut self,
        changes: &[Change],
        interrupted: Option<i64>,
        effects: &mut Effects,
    ) -> rusqlite::Result<Vec<Result<()>>> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        let mut outcomes = Vec::with_capacity(changes.len());
        for change in changes {
            let (name, text) = change.activation();
            let Some(id) = parse_id(text) else {
                outcomes.push(Err(RecordsError::Id { id: text.to_owned() }));
                continue;
            };
            let number = self.number_of(name, effects)?;
            let done = match change {
                Change::Accept(accepted) => self.accept(number, id, accepted, effects),
                Change::Finish(record) => {
                    self.finish(number, id, record, change.bytes() as u64, effects)
                }
            };
            outcomes.push(match done {
                Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    let namespace = Arc::clone(name);
                    Err(RecordsError::Duplicate { namespace, id: text.to_owned() })
                }
                Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::TooBig) => {
                    Err(self.failure(cause))
                }
                other => Ok(other?),
            });
        }
        if let Some(last) = interrupted {
            let mut delete =
                self.connection.prepare_cached("DELETE FROM accepted WHERE seq <= ?")?;
            delete.execute([last])?;
        }
        self.connection.prepare_cached("COMMIT")?.execute(())?;
        Ok(outcomes)
    }

    /// Returns the number of a namespace; a new one gets a row.
    fn number_of(&self, name: &Arc<str>, effects: &mut Effects) -> rusqlite::Result<i64> {
        if let Some(namespace) = self.namespaces.get(name) {
            return Ok(namespace.number);
        }
        if let Some(number) = effects.new_namespaces.get(name) {
            return Ok(*number);
        }
        let mut insert =
            self.connection.prepare_cached("INSERT INTO namespaces (name) VALUES (?)")?;
        let number = insert.insert([name])?;
        effects.new_namespaces.insert(Arc::clone(name), number);
        Ok(number)
    }

    fn accept(
        &mut self,
        namespace: i64,
        id: Id,
        accepted: &Accepted,
        effects: &mut Effects,
    ) -> rusqlite::Result<()> {
        if self.accepted.contains_key(&(namespace, id)) {
            return Err(constraint_violation());
        }
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO accepted (seq, namespace, id, start, path, document)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        let seq = self.next_accepted;
        insert.execute(params![
            seq,
            namespace,
            id,
            integer(accepted.start),
            accepted.path,
            accepted.document
        ])?;
        self.next_accepted += 1;
        self.accepted.insert((namespace, id), seq);
        effects.accepted.push((namespace, id));
        Ok(())
    }

    fn finish(
        &mut self,
        namespace: i64,
        id: Id,
        record: &Record,
        bytes: u64,
        effects: &mut Effects,
    ) -> rusqlite::Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO records (namespace, id, start, \"end\", status, bytes, path,
                                  document, response, logs)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        insert.execute(params![
            namespace,
            id,
            integer(record.start),
            integer(record.end),
            record.status,
            integer(bytes),
            record.path,
            record.document,
            record.response,
            record.logs
        ])?;
        if let Some(seq) = self.accepted.remove(&(namespace, id)) {
            effects.finished.push(((namespace, id), seq));
            let mut delete =
                self.connection.prepare_cached("DELETE FROM accepted WHERE seq = ?")?;
            delete.execute([seq])?;
        }
        effects.stored.push((Arc::clone(&record.namespace), bytes));
        Ok(())
    }

    /// Deletes a few of the oldest records of `namespace`: those that began before `oldest_kept`,
    /// or as many as have `excess` bytes. Returns the number of deleted records.
    pub fn evict(&mut self, namespace: &Namespace, oldest_kept: i64, excess: u64) -> Result<usize> {
        match self.try_evict(namespace.number, oldest_kept, excess) {
            Ok((rows, bytes)) => {
                namespace.bytes.fetch_sub(bytes, Ordering::Relaxed);
                Ok(rows)
            }
            Err(cause) => {
                let failure = RecordsError::of(
                    &self.database.file,
                    "delete expired activation records",
                    cause,
                );
                self.recover(&failure);
                Err(failure)
            }
        }
    }

    fn try_evict(
        &self,
        namespace: i64,
        oldest_kept: i64,
        excess: u64,
    ) -> rusqlite::Result<(usize, u64)> {
        let mut oldest = self.connection.prepare_cached(
            "SELECT seq, bytes, start FROM records INDEXED BY records_by_start
             WHERE namespace = ? ORDER BY start, seq LIMIT ?",
        )?;
        let (mut chosen, mut bytes) = (Vec::new(), 0);
        let mut rows = oldest.query([namespace, EVICTED_ROWS])?;
        while let Some(row) = rows.next()? {
            let expired = row.get::<_, i64>(2)? < oldest_kept;
            if bytes >= EVICTED_BYTES || !(expired || bytes < excess) {
                break;
            }
            chosen.push(row.get::<_, i64>(0)?);
            bytes += row.get::<_, i64>(1)?.unsigned_abs();
        }
        drop(rows);
        if !chosen.is_empty() {
            self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
            let mut delete = self.connection.prepare_cached("DELETE FROM records WHERE seq = ?")?;
            for seq in &chosen {
                delete.execute([seq])?;
            }
            self.connection.prepare_cached("COMMIT")?.execute(())?;
            let logged = bytes + PAGE * chosen.len() as u64;
            self.database.logged.fetch_add(logged, Ordering::Relaxed);
        }
        Ok((chosen.len(), bytes))
    }

    /// Makes SQLite begin its log anew if everything in it has been copied to the database. Syncs.
    pub fn restart_log(&self) -> rusqlite::Result<()> {
        let version: Option<i64> =
            self.connection.query_row("PRAGMA user_version", (), |row| row.get(0)).optional()?;
        self.connection.pragma_update(None, "user_version", version)?;
        self.database.logged.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn failure(&self, cause: rusqlite::Error) -> RecordsError {
        RecordsError::of(&self.database.file, "store activation records", cause)
    }

    #[cfg(test)]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn constraint_violation() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CONSTRAINT);
    rusqlite::Error::SqliteFailure(code, None)
}
