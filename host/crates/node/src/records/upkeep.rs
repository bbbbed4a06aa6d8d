//! The background thread: it brings the journal into the database, syncs and shortens SQLite's log,
//! and deletes what the retention does not keep.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keynet_base::scheduling;
use rusqlite::Connection;

use super::database::Database;
use super::error::{RecordsError, Result};
use super::namespaces::{Namespace, Namespaces};
use super::reads::NoReaders;
use super::store::Store;
use super::writer::integer;

/// Interval of syncs: what a loss of power can take. Changes wait in the journal no longer.
const SYNC: Duration = Duration::from_secs(1);

/// Interval of looking for records that are too old.
const AGING: Duration = Duration::from_secs(30);

/// Bytes in the log above which it is copied to the database while records are being written.
const LONG_LOG: u64 = 8 << 20;

/// Bytes in the log above which readers wait until it was copied.
const HUGE_LOG: u64 = 32 << 20;

/// Pause after a deletion, for other writers.
const PAUSE: Duration = Duration::from_millis(1);

/// The thread. Dropping this ends it.
pub(super) struct Upkeep {
    thread: Option<JoinHandle<()>>,
    signals: Arc<Signals>,
}

#[derive(Default)]
struct Signals {
    stop: AtomicBool,
    aging: AtomicBool,
}

impl Upkeep {
    pub fn start(
        database: Arc<Database>,
        namespaces: Arc<Namespaces>,
        store: Arc<Store>,
        no_readers: NoReaders,
    ) -> Result<Self> {
        let failed = |cause| RecordsError::of(&database.file, "sync activation records", cause);
        let checkpointer = database.writer()?;
        let reader = database.reader().map_err(failed)?;
        let signals = Arc::<Signals>::default();
        let settling = Arc::clone(&store);
        let work = Work {
            signals: Arc::clone(&signals),
            log: Log {
                database: Arc::clone(&database),
                checkpointer,
                reader,
                no_readers,
                last_size: 0,
            },
            namespaces,
            store,
        };
        let thread = thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || work.run())
            .map_err(|cause| RecordsError::io(&database.file, "start a thread for", cause))?;
        settling.settle_on(thread.thread().clone());
        Ok(Self { thread: Some(thread), signals })
    }

    /// Returns the thread; unparking it makes it delete what exceeds a limit now.
    pub fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref().map(JoinHandle::thread)
    }

    /// Makes the thread look for expired records now.
    pub fn apply_retention(&self) {
        self.signals.aging.store(true, Ordering::Release);
        self.thread().inspect(|thread| thread.unpark());
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.signals.stop.store(true, Ordering::Release);
        self.thread().inspect(|thread| thread.unpark());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

struct Work {
    signals: Arc<Signals>,
    log: Log,
    namespaces: Arc<Namespaces>,
    store: Arc<Store>,
}

impl Work {
    fn run(mut self) {
        // It may take long, and nobody waits for it.
        scheduling::to_background();
        let (mut synced, mut aged) = (Instant::now(), None);
        loop {
            // Before settling, so that all records from before the request are looked at.
            let asked = self.signals.aging.swap(false, Ordering::AcqRel);
            warn(self.store.settle());
            let stop = self.signals.stop.load(Ordering::Acquire);
            if stop || synced.elapsed() >= SYNC {
                synced = Instant::now();
                warn(self.log.tend(&self.store, stop));
            }
            if stop {
                return;
            }
            let due = aged.is_none_or(|aged: Instant| aged.elapsed() >= AGING);
            let aging = asked || due;
            if aging {
                aged = Some(Instant::now());
            }
            self.evict(aging);
            thread::park_timeout(SYNC.saturating_sub(synced.elapsed()));
        }
    }

    fn evict(&mut self, aging: bool) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = integer(since_1970.as_millis().try_into().unwrap_or(u64::MAX));
        for namespace in self.namespaces.all() {
            let oldest_kept = if aging { namespace.oldest_kept(now) } else { i64::MIN };
            if aging || namespace.excess() > 0 {
                self.evict_from(&namespace, oldest_kept);
            }
        }
    }

    fn evict_from(&mut self, namespace: &Namespace, oldest_kept: i64) {
        let mut synced = Instant::now();
        while !self.signals.stop.load(Ordering::Acquire) {
            let evict = self
                .store
                .reserve(|writer| writer.evict(namespace, oldest_kept, namespace.excess()));
            match evict {
                Ok(1..) => thread::sleep(PAUSE),
                Ok(0) => return,
                failed => return warn(failed.map(drop)),
            }
            if synced.elapsed() >= SYNC {
                synced = Instant::now();
                warn(self.store.settle());
                warn(self.log.tend(&self.store, false));
            }
        }
    }
}

fn warn(outcome: Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "the upkeep of activation records failed and is tried again");
    }
}

/// SQLite's log, which grows until all of it has been copied to the database.
struct Log {
    database: Arc<Database>,
    checkpointer: Connection,
    reader: Connection,
    no_readers: NoReaders,
    last_size: u64,
}

impl Log {
    /// Syncs the log. Copies it to the database if it is long, or has not grown since the last
    /// time, or at the `end`.
    fn tend(&mut self, store: &Store, end: bool) -> Result<()> {
        let size = self.database.logged.load(Ordering::Relaxed);
        let unchanged = size == self.last_size;
        self.last_size = size;
        if size == 0 {
            return Ok(());
        }
        if size > LONG_LOG || unchanged || end {
            // Of readers that overlap, one may always need what the log had before.
            let copied = if size > HUGE_LOG {
                self.no_readers.run(|| self.copy(store))
            } else {
                self.copy(store)
            };
            return copied.map_err(|cause| {
                RecordsError::of(&self.database.file, "sync activation records", cause)
            });
        }
        let path = self.database.log_file();
        File::open(&path)
            .and_then(|log| log.sync_data())
            .map_err(|cause| RecordsError::io(&path, "sync", cause))
    }

    /// Copies the log to the database and begins it anew.
    ///
    /// A writer that finds all of the log copied begins it anew, with a sync. That must not happen
    /// on a worker of the runtime. So most of the log is copied while a reader keeps it from being
    /// begun anew; the rest is copied, and the log begun anew, while this thread has the writer.
    fn copy(&self, store: &Store) -> rusqlite::Result<()> {
        let snapshot = self.reader.unchecked_transaction()?;
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
        checkpoint(&self.checkpointer)?;
        store.reserve(|writer| {
            snapshot.finish()?;
            if checkpoint(&self.checkpointer)? {
                writer.restart_log()?;
            }
            Ok(())
        })
    }
}

/// Copies as much of the log as readers permit; returns true if that was all of it.
fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })
}
