//! The queue before the writer. The caller that finds the writer free commits all queued changes in
//! one transaction; a single caller therefore pays for no switch of threads, and many callers share
//! transactions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use keynet_base::crowd::Crowd;
use keynet_base::offload;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::error::{RecordsError, Result};
use super::writer::{Change, Writer};

/// Changes of one transaction, which takes a millisecond then.
const BATCH: usize = 128;

struct Queued {
    change: Change,
    answer: oneshot::Sender<Result<()>>,
}

/// The writer with its queue.
pub(super) struct Queue {
    queued: Mutex<Vec<Queued>>,
    writer: Mutex<Writer>,
    /// Threads that wait for the writer. They commit what is queued when they are done.
    reserved: AtomicUsize,
    runtime: OnceLock<Handle>,
    crowd: Crowd,
}

impl Queue {
    pub fn new(writer: Writer) -> Self {
        Self {
            queued: Mutex::default(),
            writer: Mutex::new(writer),
            reserved: AtomicUsize::new(0),
            runtime: OnceLock::new(),
            crowd: Crowd::default(),
        }
    }

    /// Commits `change`; returns when it is in the file. A large one is written on the blocking
    /// pool. A caller that stops waiting does not take its change back.
    ///
    /// # Errors
    /// The database failed, or the change contradicts it.
    pub async fn submit(self: &Arc<Self>, change: Change, closed: RecordsError) -> Result<()> {
        let bytes = change.bytes();
        if bytes > offload::INLINE {
            let queue = Arc::clone(self);
            let commit = move || queue.reserve(|writer| writer.commit(&[change]));
            let outcomes = offload::run(bytes, None, commit).await.ok_or_else(|| closed.clone())?;
            return outcomes?.pop().unwrap_or(Err(closed));
        }
        let (answer, answered) = oneshot::channel();
        self.runtime.get_or_init(Handle::current);
        self.queued().push(Queued { change, answer });
        if self.crowd.join() {
            tokio::task::yield_now().await; // so that their changes come into the same batch
        }
        self.commit_queued();
        answered.await.unwrap_or(Err(closed))
    }

    /// Runs `work` with the writer when it is free, before further batches; then commits what was
    /// queued meanwhile. Blocks.
    pub fn reserve<T>(self: &Arc<Self>, work: impl FnOnce(&mut Writer) -> T) -> T {
        self.reserved.fetch_add(1, Ordering::SeqCst);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.reserved.fetch_sub(1, Ordering::SeqCst);
        let done = work(&mut writer);
        // Also if another thread waits for the writer: a flood of large changes would otherwise
        // delay all small ones to its end.
        self.commit_batch(writer);
        self.commit_queued();
        done
    }

    /// Commits one batch of the queue if the writer is free. A holder of the writer calls this
    /// after releasing it, so a change that was queued meanwhile is not forgotten.
    pub fn commit_queued(self: &Arc<Self>) {
        if self.reserved.load(Ordering::SeqCst) > 0 {
            return;
        }
        let Some(writer) = self.try_writer() else { return };
        self.commit_batch(writer);
        if self.queued().is_empty() {
            return;
        }
        // Another task commits the rest: this one has its own work to do.
        let queue = Arc::clone(self);
        match self.runtime.get() {
            Some(runtime) => drop(runtime.spawn(async move {
                tokio::task::yield_now().await; // more of them come
                queue.commit_queued();
            })),
            None => queue.commit_queued(),
        }
    }

    /// Commits one batch of the queue, and releases the writer before the callers are woken.
    fn commit_batch(&self, mut writer: MutexGuard<'_, Writer>) {
        let (changes, answers) = self.next_batch();
        if changes.is_empty() {
            return;
        }
        let outcome = writer.commit(&changes);
        drop(writer);
        answer(outcome, answers);
    }

    fn next_batch(&self) -> (Vec<Change>, Vec<oneshot::Sender<Result<()>>>) {
        let mut queued = self.queued();
        let mut bytes = 0;
        let fitting = queued.iter().take(BATCH).take_while(|queued| {
            bytes += queued.change.bytes();
            bytes <= offload::INLINE
        });
        let count = fitting.count();
        queued.drain(..count).map(|queued| (queued.change, queued.answer)).unzip()
    }

    fn queued(&self) -> MutexGuard<'_, Vec<Queued>> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Tells each caller how its change fared; a caller that is gone is ignored.
fn answer(outcome: Result<Vec<Result<()>>>, answers: Vec<oneshot::Sender<Result<()>>>) {
    match outcome {
        Ok(outcomes) => {
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                let _ = answer.send(outcome);
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
