//! What was acknowledged, on its way from the journal to the database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use keynet_base::crowd::Crowd;
use keynet_base::offload;
use tokio::sync::oneshot;

use super::database::Database;
use super::entry::Entry;
use super::error::{RecordsError, Result};
use super::journal::{Frame, Journal, frames};
use super::writer::Writer;
use super::{Accepted, Record};

/// Bytes of the journal from which they are brought into the database at once.
const LONG: u64 = 1 << 20;

/// Bytes of the journal from which the caller of a large change brings them into the database itself,
/// so that those of small changes need not wait.
const BEHIND: u64 = 4 << 20;

/// Bytes of the journal from which it also waits while another one does.
const FAR_BEHIND: u64 = 8 << 20;

/// Bytes of the journal from which a caller waits until they are in the database: it must not grow
/// faster than the database takes it.
const FULL: u64 = 16 << 20;

/// Frames, and those who wait until they are stored.
#[derive(Default)]
struct Queued {
    frames: Vec<Frame>,
    callers: Vec<oneshot::Sender<Result<()>>>,
}

/// The journal, and the connection that brings it into the database. Who needs several locks takes
/// that of the writer first, then that of the journal.
pub(super) struct Store {
    queued: Mutex<Queued>,
    crowd: Crowd,
    journal: Mutex<Journal>,
    /// `true` if the journal is to be brought into the database before more is stored.
    is_full: AtomicBool,
    writer: Mutex<Writer>,
    database: Arc<Database>,
    /// The thread that calls [`settle`](Self::settle).
    settling: OnceLock<Thread>,
}

impl Store {
    /// Opens the journal and brings what an earlier process left in it into the database. Those of
    /// its activations that had not ended become the records that `interrupted` makes.
    pub fn open(
        database: Arc<Database>,
        mut writer: Writer,
        interrupted: impl Fn(Accepted) -> Record,
    ) -> Result<Self> {
        let (mut journal, left) = Journal::open(database.folder())?;
        for bytes in &left {
            writer.apply(bytes)?;
        }
        let last = left.iter().flat_map(|bytes| frames(bytes)).map(|(number, _)| number).max();
        skip_damage(&mut writer, last.unwrap_or_default())?;
        journal.begin_after(writer.applied());
        writer.interrupt_accepted(interrupted)?;
        let (journal, writer) = (Mutex::new(journal), Mutex::new(writer));
        Ok(Self {
            queued: Mutex::default(),
            crowd: Crowd::default(),
            journal,
            is_full: AtomicBool::new(false),
            writer,
            database,
            settling: OnceLock::new(),
        })
    }

    /// Sets the thread that is woken when the journal is long.
    pub fn settle_on(&self, thread: Thread) {
        let _ = self.settling.set(thread); // there is one
    }

    /// Stores a change; returns when it is in the journal.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub async fn submit(self: &Arc<Self>, entry: Entry<'_>) -> Result<()> {
        let frame = self.frame(&entry)?;
        if self.is_full.load(Ordering::Relaxed) {
            let store = Arc::clone(self);
            let appending = move || {
                store.settle()?;
                store.append(&mut [frame])
            };
            let appended = offload::run(offload::INLINE + 1, None, appending).await;
            return appended.unwrap_or_else(|| Err(self.closed()));
        }
        let (caller, stored) = oneshot::channel();
        {
            let mut queued = self.queued();
            queued.frames.push(frame);
            queued.callers.push(caller);
        }
        let appending = Appending(self);
        self.crowd.others_first().await; // so that their changes come into the same write
        drop(appending);
        stored.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Stores a large change at once, and before it brings the journal into the database if that is
    /// long and nobody else does it. Blocks.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub fn submit_large(&self, entry: Entry<'_>) -> Result<()> {
        let frame = self.frame(&entry)?;
        let behind = self.journal().size();
        if behind > FAR_BEHIND || behind > BEHIND && self.writer.try_lock().is_ok() {
            self.settle()?;
        }
        self.append(&mut [frame])
    }

    fn frame(&self, entry: &Entry<'_>) -> Result<Frame> {
        let too_large =
            || RecordsError::TooLarge { file: self.database.file.clone(), bytes: entry.bytes() };
        Frame::new(entry).map_err(|_| too_large())
    }

    fn closed(&self) -> RecordsError {
        RecordsError::Closed { file: self.database.file.clone() }
    }

    /// Stores the changes of all callers that wait.
    fn append_queued(&self) {
        let Queued { mut frames, callers } = std::mem::take(&mut *self.queued());
        if frames.is_empty() {
            return;
        }
        let outcome = self.append(&mut frames);
        for caller in callers {
            let _ = caller.send(outcome.clone()); // one may be gone
        }
    }

    fn append(&self, frames: &mut [Frame]) -> Result<()> {
        let (before, after) = self.journal().append(frames)?;
        if before < LONG && after >= LONG {
            self.settling.get().inspect(|thread| thread.unpark());
        }
        self.is_full.store(after > FULL, Ordering::Relaxed);
        Ok(())
    }

    /// Brings all changes that were stored before this call into the database. Blocks.
    ///
    /// # Errors
    /// The database fails. What it did not take stays in the journal.
    pub fn settle(&self) -> Result<()> {
        let last = self.journal().last();
        if self.journal().is_settled(last) {
            return Ok(());
        }
        let mut writer = self.writer();
        while !self.journal().is_settled(last) {
            let Some(part) = self.journal().turn() else { break };
            let bytes = part.read().map_err(|cause| {
                RecordsError::io(&self.database.file, "read the journal of", cause)
            })?;
            writer.apply(&bytes)?;
            skip_damage(&mut writer, part.last)?;
            self.journal().settle(&part);
            self.is_full.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Runs `work` with the writer when it is free. Blocks.
    pub fn reserve<T>(&self, work: impl FnOnce(&mut Writer) -> T) -> T {
        work(&mut self.writer())
    }

    fn queued(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores what is queued when it is dropped: also when a caller stops waiting. Who brings the journal into
/// the database does not, since it may be interrupted for long while callers wait.
struct Appending<'a>(&'a Store);

impl Drop for Appending<'_> {
    fn drop(&mut self) {
        self.0.append_queued();
    }
}

/// Takes the changes up to `last` for applied. Those that were not are lost: a part of the journal is
/// damaged, as a loss of power can do to what was written in the last second.
fn skip_damage(writer: &mut Writer, last: u64) -> Result<()> {
    let applied = writer.applied();
    if applied >= last {
        return Ok(());
    }
    let lost = last - applied;
    tracing::error!(lost, "a part of the journal of activation records is damaged");
    writer.skip_to(last)
}
