//! The connection that writes: it applies the changes of the journal, many in one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::database::Database;
use super::entry::{Ended, Entry, Id};
use super::error::{RecordsError, Result};
use super::journal::frames;
use super::namespaces::{Namespace, Namespaces};
use super::{Accepted, Record};

/// Changes and bytes of one transaction, which takes some milliseconds then.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1 << 20;

/// Size of a page of the database.
const PAGE: u64 = 4096;

/// Deletions of one transaction, which bound how long a deletion delays other writers.
const EVICTED_ROWS: i64 = 64;
const EVICTED_BYTES: u64 = 1 << 20;

/// Converts a time or a count to SQLite's integer.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The connection, and what it has in memory to write less.
pub(super) struct Writer {
    connection: Connection,
    database: Arc<Database>,
    namespaces: Arc<Namespaces>,
    /// Number of the last change of the journal that is in the database.
    applied: u64,
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

/// What a record says, as it is in the columns of its row.
struct Columns<'a> {
    document: &'a str,
    response: &'a str,
    logs: &'a str,
    facts: Option<&'a [u8]>,
    result: Option<&'a str>,
    lines: Option<&'a str>,
}

/// Changes of one transaction.
#[derive(Default)]
struct Batch<'a> {
    entries: Vec<Entry<'a>>,
    bytes: usize,
    /// Number of the last one.
    last: u64,
}

impl Writer {
    /// Opens the connection.
    pub fn open(database: Arc<Database>, namespaces: Arc<Namespaces>) -> Result<Self> {
        let connection = database.writer()?;
        let mut writer = Self {
            connection,
            database,
            namespaces,
            applied: 0,
            accepted: HashMap::new(),
            next_accepted: 1,
        };
        writer.load().map_err(|cause| {
            RecordsError::of(&writer.database.file, "read accepted activations", cause)
        })?;
        Ok(writer)
    }

    fn load(&mut self) -> rusqlite::Result<()> {
        let applied = "SELECT applied FROM journal";
        let applied = self.connection.query_row(applied, (), |row| row.get::<_, i64>(0))?;
        self.applied = applied.unsigned_abs();
        let mut statement = self.connection.prepare("SELECT namespace, id, seq FROM accepted")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let seq = row.get(2)?;
            self.accepted.insert((row.get(0)?, row.get(1)?), seq);
            self.next_accepted = self.next_accepted.max(seq + 1);
        }
        Ok(())
    }

    /// Returns the number of the last change of the journal that is in the database.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Takes the changes up to `number` for applied.
    pub fn skip_to(&mut self, number: u64) -> Result<()> {
        self.transact(&Batch { last: number, ..Batch::default() }, None)
    }

    /// Stores a record, made by `interrupted`, for each activation that an earlier process
    /// accepted and did not finish. All changes of the journal must have been applied.
    pub fn interrupt_accepted(&mut self, interrupted: impl Fn(Accepted) -> Record) -> Result<()> {
        loop {
            let (last_row, lost) = self.oldest_accepted().map_err(|cause| self.failure(cause))?;
            if lost.is_empty() {
                return Ok(());
            }
            let records: Vec<_> = lost.into_iter().map(&interrupted).collect();
            let entries = records.iter().map(Entry::finish).collect::<Result<Vec<_>>>()?;
            let bytes = entries.iter().map(Entry::bytes).sum();
            self.transact(&Batch { entries, bytes, last: self.applied }, Some(last_row))?;
            self.accepted.retain(|_, row| *row > last_row);
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

    /// Applies the changes in `journal` that follow the last one that was applied. Those that were
    /// applied already are skipped; a gap ends them.
    ///
    /// # Errors
    /// A transaction failed: its changes and those after it are not applied. The next one is tried
    /// on a new connection if the state of this one is in doubt.
    pub fn apply(&mut self, journal: &[u8]) -> Result<()> {
        let applied = self.applied;
        let mut following = frames(journal)
            .skip_while(|(number, _)| *number <= applied)
            .zip(applied + 1..)
            .map_while(|((number, entry), expected)| {
                let entry = postcard::from_bytes(entry).ok()?;
                (number == expected).then_some((entry, number))
            })
            .peekable();
        while following.peek().is_some() {
            let mut batch = Batch::default();
            while let Some((entry, number)) =
                following.next_if(|_| batch.entries.len() < BATCH && batch.bytes < BATCH_BYTES)
            {
                batch.bytes += Entry::bytes(&entry);
                batch.entries.push(entry);
                batch.last = number;
            }
            self.transact(&batch, None)?;
        }
        Ok(())
    }

    fn transact(&mut self, batch: &Batch<'_>, interrupted: Option<i64>) -> Result<()> {
        let mut effects = Effects::default();
        let failure = match self.try_transact(batch, interrupted, &mut effects) {
            Ok(()) => {
                self.applied = batch.last;
                // The rows, and their part of indexes and of pages that are written again.
                let logged = batch.bytes as u64 * 5 / 4 + 8 * PAGE;
                self.database.logged.fetch_add(logged, Ordering::Relaxed);
                for (name, number) in effects.new_namespaces {
                    self.namespaces.add(number, &name);
                }
                for (name, bytes) in effects.stored {
                    if let Some(namespace) = self.namespaces.get(&name) {
                        namespace.bytes.fetch_add(bytes, Ordering::Relaxed);
                    }
                }
                return Ok(());
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
        batch: &Batch<'_>,
        interrupted: Option<i64>,
        effects: &mut Effects,
    ) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
        for entry in &batch.entries {
            let number = self.number_of(entry.namespace(), effects)?;
            match self.apply_one(number, entry, effects) {
                Err(cause) if is_of_one_entry(&cause) => {
                    let (namespace, id) = (entry.namespace(), hex::encode(entry.id()));
                    tracing::warn!(error = %cause, namespace, activation = id, "not recorded");
                }
                done => done?,
            }
        }
        if let Some(last) = interrupted {
            let mut delete =
                self.connection.prepare_cached("DELETE FROM accepted WHERE seq <= ?")?;
            delete.execute([last])?;
        }
        let mut applied = self.connection.prepare_cached("UPDATE journal SET applied = ?")?;
        applied.execute([integer(batch.last)])?;
        self.connection.prepare_cached("COMMIT")?.execute(()).map(drop)
    }

    /// Returns the number of a namespace; a new one gets a row.
    fn number_of(&self, name: &str, effects: &mut Effects) -> rusqlite::Result<i64> {
        if let Some(namespace) = self.namespaces.get(name) {
            return Ok(namespace.number);
        }
        if let Some(number) = effects.new_namespaces.get(name) {
            return Ok(*number);
        }
        let mut insert =
            self.connection.prepare_cached("INSERT INTO namespaces (name) VALUES (?)")?;
        let number = insert.insert([name])?;
        effects.new_namespaces.insert(name.into(), number);
        Ok(number)
    }

    fn apply_one(
        &mut self,
        namespace: i64,
        entry: &Entry<'_>,
        effects: &mut Effects,
    ) -> rusqlite::Result<()> {
        let activation = (namespace, entry.id());
        match *entry {
            Entry::Accept { id, path, start, document, .. } => {
                if self.accepted.contains_key(&activation) {
                    return Err(constraint_violation());
                }
                let mut insert = self.connection.prepare_cached(
                    "INSERT INTO accepted (seq, namespace, id, start, path, document)
                     VALUES (?, ?, ?, ?, ?, ?)",
                )?;
                let seq = self.next_accepted;
                insert.execute(params![seq, namespace, id, integer(start), path, document])?;
                self.next_accepted += 1;
                self.accepted.insert(activation, seq);
                effects.accepted.push(activation);
            }
            Entry::FinishJson { ended, document, response, logs } => {
                let (facts, result, lines) = (None, None, None);
                let columns = Columns { document, response, logs, facts, result, lines };
                self.insert_record(activation, &ended, &columns, entry.bytes() as u64, effects)?;
            }
            Entry::Finish { ended, facts, result, logs } => {
                let (document, response) = ("", "");
                let (facts, result, lines) = (Some(facts), Some(result), Some(logs));
                let columns = Columns { document, response, logs: "", facts, result, lines };
                self.insert_record(activation, &ended, &columns, entry.bytes() as u64, effects)?;
            }
        }
        Ok(())
    }

    /// Inserts the row of a record of `bytes` bytes; its activation does not count as accepted then.
    fn insert_record(
        &mut self,
        activation: (i64, Id),
        ended: &Ended<'_>,
        columns: &Columns<'_>,
        bytes: u64,
        effects: &mut Effects,
    ) -> rusqlite::Result<()> {
        let (namespace, id) = activation;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO records (namespace, id, start, \"end\", status, bytes, path,
                                  document, response, logs, facts, result, lines)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        insert.execute(params![
            namespace,
            id,
            integer(ended.start),
            integer(ended.end),
            ended.status,
            integer(bytes),
            ended.path,
            columns.document,
            columns.response,
            columns.logs,
            columns.facts,
            columns.result,
            columns.lines
        ])?;
        if let Some(seq) = self.accepted.remove(&activation) {
            effects.finished.push((activation, seq));
            let mut delete =
                self.connection.prepare_cached("DELETE FROM accepted WHERE seq = ?")?;
            delete.execute([seq])?;
        }
        match effects.stored.last_mut() {
            Some((last, sum)) if **last == *ended.namespace => *sum += bytes,
            _ => effects.stored.push((ended.namespace.into(), bytes)),
        }
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

/// Reports whether an entry contradicts the database or cannot be stored in it: an id that was used
/// before, a text of more than 1 GB. It fails alone.
fn is_of_one_entry(cause: &rusqlite::Error) -> bool {
    matches!(cause.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig))
}

fn constraint_violation() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CONSTRAINT);
    rusqlite::Error::SqliteFailure(code, None)
}
