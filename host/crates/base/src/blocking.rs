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
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::scheduling::Background;

type Job = Box<dyn FnOnce() + Send>;

/// Time after which work is slow: longer than the operating system runs others meanwhile.
const QUICK: Duration = Duration::from_millis(20);

/// Time after slow work in which nothing is done in place.
const PAUSE: Duration = Duration::from_secs(1);

/// Time after which a thread makes way for others: its owner has more than a few pieces of work.
const MUCH: Duration = Duration::from_millis(2);

/// Time that work waits for other work in place: most work takes a hundredth of it.
const WAIT: Duration = Duration::from_millis(1);

/// Queue of blocking work.
#[derive(Debug)]
pub struct BlockingQueue {
    /// Most threads at a time.
    threads: usize,
    state: Mutex<State>,
    place: Place,
}

/// Where one piece of work at a time is done in place: not more than one async worker waits for a slow
/// disk, and others for no longer than [`WAIT`] after its work began.
#[derive(Debug, Default)]
struct Place {
    state: Mutex<PlaceState>,
    is_free: Condvar,
}

#[derive(Debug, Default)]
struct PlaceState {
    /// When the work began that is being done.
    begun: Option<Instant>,
    /// How many threads wait for its end.
    waiting: usize,
    /// The end of the last work, if it was slow.
    slow: Option<Instant>,
}

/// Has the place until it is dropped.
struct InPlace<'a>(&'a Place);

impl Place {
    /// Takes the place; `None` while the disk is slow.
    fn take(&self) -> Option<InPlace<'_>> {
        let wanted = Instant::now();
        let mut state = self.state();
        loop {
            if state.slow.is_some_and(|slow| slow.elapsed() < PAUSE) {
                return None;
            }
            let Some(begun) = state.begun else {
                state.begun = Some(Instant::now());
                return Some(InPlace(self));
            };
            let left = WAIT.checked_sub(begun.min(wanted).elapsed())?;
            state.waiting += 1;
            (state, _) =
                self.is_free.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, PlaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InPlace<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        let begun = state.begun.take();
        let is_slow = begun.is_some_and(|begun| begun.elapsed() >= QUICK);
        state.slow = is_slow.then(Instant::now);
        if state.waiting > 0 {
            self.0.is_free.notify_one();
        }
    }
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
        Arc::new(Self { threads: threads.max(1), state: Mutex::default(), place: Place::default() })
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
        if let Some(_place) = self.place.take() {
            return work();
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

    /// Does what waits, until nothing does; makes way for others if that is much.
    fn work(&self) {
        let begun = Instant::now();
        let mut background = None;
        loop {
            let mut state = self.state();
            let Some(job) = state.waiting.pop_front() else {
                state.threads -= 1;
                return;
            };
            drop(state);
            if background.is_none() && begun.elapsed() >= MUCH {
                background = Some(Background::begin()); // until it returns to the pool
            }
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
        queue.place.state().slow = None;
        assert_eq!(queue.run_quick(thread).await, own);
        assert_ne!(queue.run(thread).await, own);
    }

    #[tokio::test]
    async fn work_waits_for_work_in_place_and_is_done_there_as_well() {
        let (queue, own) = (BlockingQueue::new(1), std::thread::current().id());
        // Several attempts, since another process may run for longer than the work waits.
        for _ in 0..100 {
            let (begin, begun) = std::sync::mpsc::channel();
            let (end, ended) = std::sync::mpsc::channel();
            let other_queue = Arc::clone(&queue);
            let other = std::thread::spawn(move || {
                let _place = other_queue.place.take();
                begin.send(()).unwrap();
                while other_queue.place.state().waiting == 0 && ended.try_recv().is_err() {
                    std::hint::spin_loop();
                }
            });
            begun.recv().unwrap();
            let thread = queue.run_quick(|| std::thread::current().id()).await;
            let _ = end.send(()); // the other thread may have ended
            other.join().unwrap();
            if thread == own {
                return;
            }
        }
        panic!("all was done on another thread");
    }

    #[tokio::test]
    async fn work_does_not_wait_for_a_disk_that_hangs() {
        let (queue, own) = (BlockingQueue::new(1), std::thread::current().id());
        let _hung = queue.place.take();
        for _ in 0..10 {
            assert_ne!(queue.run_quick(|| std::thread::current().id()).await, own);
        }
    }

    #[test]
    fn a_thread_that_made_way_for_others_does_so_no_longer_when_its_work_is_done() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(1).build().unwrap();
        let processors = || std::thread::available_parallelism().unwrap();
        let (queue, before) = (BlockingQueue::new(1), processors());
        runtime.block_on(async {
            let long = || std::thread::sleep(MUCH);
            let (.., during) = tokio::join!(queue.run(long), queue.run(processors));
            assert!(during < before || before.get() == 1, "{during} of {before}");
            assert_eq!(tokio::task::spawn_blocking(processors).await.unwrap(), before);
        });
    }

    #[tokio::test]
    async fn work_that_panics_concerns_its_caller_only() {
        let queue = BlockingQueue::new(1);
        for in_place in [true, false] {
            let panicking = Arc::clone(&queue);
            let panicked = tokio::spawn(async move {
                let work = || panic!("on purpose");
                if in_place { panicking.run_quick(work).await } else { panicking.run(work).await }
            });
            assert!(panicked.await.unwrap_err().is_panic());
        }
        assert_eq!(queue.run(|| 7).await, 7);
        queue.place.state().slow = None; // a backtrace may have been printed
        let own = std::thread::current().id();
        assert_eq!(queue.run_quick(|| std::thread::current().id()).await, own);
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
