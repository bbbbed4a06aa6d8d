//! Blocking work of one owner: in place if it is quick, else on few threads of the blocking pool.
//!
//! A hundred tasks that each wake a thread for a system call of ten microseconds keep the processors
//! busy with switching between threads, which the operating system does not do in the order of anybody's
//! turns. So what mostly finds its data in memory is done in place, as a part of the owner's turn, unless
//! it took long a moment ago: then the disk is slow. For the rest, a thread goes on with the owner's next
//! piece of work, and the others wait in a queue.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::scheduling;

type Job = Box<dyn FnOnce() + Send>;

/// Time after which work is slow: longer than the operating system runs others meanwhile.
const QUICK: Duration = Duration::from_millis(20);

/// Time after slow work in which nothing is done in place.
const PAUSE: Duration = Duration::from_secs(1);

/// Queue of blocking work.
#[derive(Debug)]
pub struct BlockingQueue {
    /// Most threads at a time.
    threads: usize,
    state: Mutex<State>,
    /// The end of the last work in place, if it was slow. Locked while work is done in place: not more
    /// than one async worker waits for a slow disk.
    slow: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    threads: usize,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("State").field("waiting", &waiting).field("threads", &self.threads).finish()
    }
}

impl BlockingQueue {
    /// Creates a queue whose work is done by at most `threads` threads at a time.
    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { threads: threads.max(1), state: Mutex::default(), slow: Mutex::default() })
    }

    /// Runs `work`, which finds what it needs in memory most of the time, in place, or as
    /// [`run`](Self::run) does while the disk is slow.
    ///
    /// # Panics
    /// If `work` does, or outside a runtime.
    pub async fn run_quick<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if let Ok(mut slow) = self.slow.try_lock()
            && slow.is_none_or(|slow| slow.elapsed() >= PAUSE)
        {
            let begun = Instant::now();
            let output = work();
            *slow = (begun.elapsed() >= QUICK).then(Instant::now);
            return output;
        }
        self.run(work).await
    }

    /// Runs `work` on the blocking pool, after what was queued before. Work that nobody waits for any
    /// more is done all the same.
    ///
    /// # Panics
    /// If `work` does, or outside a runtime.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (done, outcome) = oneshot::channel::<Result<T, Box<dyn Any + Send>>>();
        self.queue(Box::new(move || {
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        }));
        match outcome.await {
            Ok(Ok(output)) => output,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => std::future::pending().await, // the runtime is being shut down
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        state.waiting.push_back(job);
        if state.threads < self.threads {
            state.threads += 1;
            drop(state);
            let queue = Arc::clone(self);
            tokio::task::spawn_blocking(move || queue.work());
        }
    }

    /// Does what waits, until nothing does.
    fn work(&self) {
        scheduling::lengthen_slices(); // those who were woken come first
        loop {
            let mut state = self.state();
            let Some(job) = state.waiting.pop_front() else {
                state.threads -= 1;
                drop(state);
                scheduling::reset_slices(); // the pool's thread may do anything next
                return;
            };
            drop(state);
            job();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn all_work_is_done_by_no_more_threads_than_there_may_be() {
        let queue = BlockingQueue::new(2);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = (0..50).map(|number| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            queue.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                now.fetch_sub(1, Ordering::SeqCst);
                number
            })
        });
        assert_eq!(join_all(work).await, (0..50).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert_eq!(queue.run(|| 7).await, 7, "after a pause, too");
    }

    #[tokio::test]
    async fn work_is_done_in_place_until_it_is_slow() {
        let (queue, own) = (BlockingQueue::new(1), std::thread::current().id());
        let thread = || std::thread::current().id();
        assert_eq!(queue.run_quick(thread).await, own);
        queue.run_quick(|| std::thread::sleep(QUICK)).await;
        assert_ne!(queue.run_quick(thread).await, own);
        *queue.slow.lock().unwrap() = None;
        assert_eq!(queue.run_quick(thread).await, own);
        assert_ne!(queue.run(thread).await, own);
    }

    #[tokio::test]
    async fn work_that_panics_concerns_its_caller_only() {
        let queue = BlockingQueue::new(1);
        let panicking = Arc::clone(&queue);
        let panicked = tokio::spawn(async move { panicking.run(|| panic!("on purpose")).await });
        assert!(panicked.await.unwrap_err().is_panic());
        assert_eq!(queue.run(|| 7).await, 7);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_done() {
        let queue = BlockingQueue::new(1);
        let (begin, begun) = std::sync::mpsc::channel();
        let (done, did) = oneshot::channel();
        let abandoned = queue.run(move || {
            begun.recv().unwrap();
            let _ = done.send(7);
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), abandoned).await.is_err());
        begin.send(()).unwrap();
        assert_eq!(did.await.unwrap(), 7);
    }
}
