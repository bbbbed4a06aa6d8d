//! Synchronous work whose time grows with foreign data, run outside the async workers.
//!
//! A worker that parses or checks for a long time runs no other activation meanwhile, and no timer.
//! Work on more than [`INLINE`] bytes goes to the blocking pool, with at most as many jobs at once
//! as there are processors, and its caller waits no longer than its deadline. Abandoned work runs
//! to its end and keeps what it holds, reservations included, until then. Of several owners, each has
//! one job at a time, so that one with many does not delay those of others.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use crate::apart::{apart, joined};
use crate::scheduling;

/// Work on at most this many bytes runs inline: it takes a millisecond at most.
pub const INLINE: usize = 256 << 10;

static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Arc::new(Semaphore::new(processors.max(2)))
});

/// Large work of one owner, or of the only one.
#[derive(Debug, Clone, Default)]
pub struct LargeWork {
    /// The owner's turn, if there are others.
    turn: Option<Arc<Semaphore>>,
}

impl LargeWork {
    /// Returns that of one of several owners.
    pub fn of_one_owner() -> Self {
        Self { turn: Some(Arc::new(Semaphore::new(1))) }
    }

    /// Runs `work`, whose time grows with `bytes`: inline if they are few, else on the blocking pool,
    /// after the owner's other work. Returns `None` if the deadline passes first, or the runtime is
    /// being shut down.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        deadline: Option<Instant>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if bytes <= INLINE {
            return Some(work());
        }
        let turn = self.turn.clone();
        let elsewhere = apart(async {
            // The semaphores are never closed.
            let turn = match turn {
                Some(turn) => Some(turn.acquire_owned().await.ok()?),
                None => None,
            };
            let place = Arc::clone(&PLACES).acquire_owned().await.ok()?;
            let working = tokio::task::spawn_blocking(move || {
                let _held = (turn, place);
                work()
            });
            joined(working.await)
        });
        match deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), elsewhere).await.ok().flatten()
            }
            None => elsewhere.await,
        }
    }
}

/// Runs `work` as [`LargeWork::run`] does for the only owner.
pub async fn run<T: Send + 'static>(
    bytes: usize,
    deadline: Option<Instant>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    LargeWork::default().run(bytes, deadline, work).await
}

/// Runs `work`, which takes long, here; the other tasks of this worker go on elsewhere.
pub fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// As [`in_place`], for work that may take as long as it wants: it leaves a processor to others.
pub fn in_background<T>(work: impl FnOnce() -> T) -> T {
    in_place(|| scheduling::in_background(work))
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use super::*;

    async fn thread_for(bytes: usize) -> Option<ThreadId> {
        run(bytes, None, || thread::current().id()).await
    }

    #[tokio::test]
    async fn what_is_large_leaves_the_worker() {
        assert_eq!(thread_for(INLINE).await, Some(thread::current().id()));
        assert_ne!(thread_for(INLINE + 1).await, Some(thread::current().id()));
    }

    #[tokio::test]
    async fn the_large_work_of_one_owner_does_not_wait_for_all_that_another_has() {
        let (evil, good) = (LargeWork::of_one_owner(), LargeWork::of_one_owner());
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let end = Arc::new(std::sync::Mutex::new(end));
        let flood: Vec<_> = (0..20)
            .map(|_| {
                let (evil, end) = (evil.clone(), Arc::clone(&end));
                tokio::spawn(async move {
                    let wait = move || end.lock().unwrap().recv();
                    evil.run(INLINE + 1, None, wait).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(good.run(INLINE + 1, None, || 7).await, Some(7));
        drop(ended);
        assert!(futures::future::join_all(flood).await.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn nobody_waits_past_the_deadline_for_what_is_large() {
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let deadline = Instant::now() + Duration::from_millis(200);
        let held = Arc::new(());
        let work = {
            let held = Arc::clone(&held);
            move || {
                let _held = held;
                let _ = end.recv();
            }
        };
        assert_eq!(run(INLINE + 1, Some(deadline), work).await, None);
        assert_eq!(Arc::strong_count(&held), 2, "abandoned work keeps what it holds");
        drop(ended);
    }
}
