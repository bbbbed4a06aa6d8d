//! The threads for those who compute for long.
//!
//! The operating system owes processor time to a thread that slept: one that computes for long after
//! it was woken keeps its processor from others that are woken then, up to a tick of the kernel. A
//! thread that computes without pause is owed none, and makes way at once. So polls that take long
//! happen on threads of their own, which go from one to the next without sleep and ask for long time
//! slices, so that others come first and their share stays the same: they delay neither the workers of
//! the runtime nor other processes that have little to do.
//!
//! While brief lanes keep a processor, a thread fewer than there are processors has work. As many of the
//! threads never run on one of the processors, and get work before the others do: so the processor
//! that is kept is always the same, and whoever is woken finds it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use keynet_base::scheduling;

use super::task::{Next, Task};

/// Threads, started when they are needed first. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Threads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Number of threads that leave a processor to others, and of all.
    leaving: usize,
    most: usize,
    state: Mutex<State>,
    /// Signals of the threads that leave a processor to others, and of the rest.
    changed: [Condvar; 2],
}

/// Whether a thread leaves a processor to others, and its number in arrays.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Leaving = 0,
    Anywhere = 1,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Task>>,
    started: usize,
    idle: [usize; 2],
    closed: bool,
}

impl Threads {
    /// Creates threads for `computing` processors, and one more.
    pub(super) fn new(computing: usize) -> Self {
        let (leaving, most) = (computing.saturating_sub(1), computing + 1);
        let (state, changed) = (Mutex::default(), Default::default());
        Self(Arc::new(Shared { leaving, most, state, changed }))
    }

    /// Polls tasks, which have a turn each, on threads; on workers if none can be started.
    pub(super) fn run_all(&self, next: Next) {
        next.into_iter().for_each(|task| self.0.run(task));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.iter().for_each(Condvar::notify_all);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(self: &Arc<Self>, task: Arc<Task>) {
        let mut state = self.state();
        let waiting = state.queue.len();
        if state.idle.iter().sum::<usize>() <= waiting && state.started < self.most {
            let shared = Arc::clone(self);
            let kind = if state.started < self.leaving { Kind::Leaving } else { Kind::Anywhere };
            let thread = thread::Builder::new().name("computing".to_owned());
            match thread.spawn(move || shared.serve(kind)) {
                Ok(_) => state.started += 1,
                Err(error) if state.started == 0 => {
                    drop(state);
                    tracing::warn!(%error, "no thread can be started for those who compute");
                    return task.poll_on_worker_instead();
                }
                Err(_) => {}
            }
        }
        // Those who were signalled and have not looked yet count as idle, as many as tasks wait.
        let has_leaving = state.idle[Kind::Leaving as usize] > waiting;
        let kind = if has_leaving { Kind::Leaving } else { Kind::Anywhere };
        state.queue.push_back(task);
        drop(state);
        self.changed[kind as usize].notify_one();
    }

    fn serve(self: &Arc<Self>, kind: Kind) {
        if matches!(kind, Kind::Leaving) {
            scheduling::leave_a_processor();
        }
        scheduling::lengthen_slices();
        while let Some(task) = self.next(kind) {
            let mut next = task.poll_on_thread();
            drop(task);
            // This thread goes on with one of them.
            while let Some(own) = next.pop() {
                next.into_iter().for_each(|task| self.run(task));
                next = own.poll_on_thread();
            }
        }
    }

    /// Waits for a task that has a turn; `None` if there will be none.
    fn next(&self, kind: Kind) -> Option<Arc<Task>> {
        let mut state = self.state();
        loop {
            if let Some(task) = state.queue.pop_front() {
                return Some(task);
            }
            if state.closed {
                return None;
            }
            state.idle[kind as usize] += 1;
            let signal = &self.changed[kind as usize];
            state = signal.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle[kind as usize] -= 1;
        }
    }
}
