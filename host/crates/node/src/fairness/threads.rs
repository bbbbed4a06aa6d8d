//! The threads for those who compute for long.
//!
//! The operating system owes processor time to a thread that slept: one that computes for long after
//! it was woken keeps its processor from others that are woken then, up to a tick of the kernel. A
//! thread that computes without pause is owed none, and makes way at once. So polls that take long
//! happen on threads of their own, which go from one to the next without sleep and ask for long time
//! slices, so that others come first and their share stays the same: they delay neither the workers of
//! the runtime nor other processes that have little to do.

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
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Task>>,
    started: usize,
    idle: usize,
    closed: bool,
}

impl Threads {
    /// Creates at most `most` threads.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Polls tasks, which have a turn each, on threads; on workers if none can be started.
    pub(super) fn run_all(&self, next: Next) {
        next.into_iter().for_each(|task| self.0.run(task));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(self: &Arc<Self>, task: Arc<Task>) {
        let mut state = self.state();
        if state.idle <= state.queue.len() && state.started < self.most {
            let shared = Arc::clone(self);
            let thread = thread::Builder::new().name("computing".to_owned());
            match thread.spawn(move || shared.serve()) {
                Ok(_) => state.started += 1,
                Err(error) if state.started == 0 => {
                    drop(state);
                    tracing::warn!(%error, "no thread can be started for those who compute");
                    return task.poll_on_worker_instead();
                }
                Err(_) => {}
            }
        }
        state.queue.push_back(task);
        drop(state);
        self.changed.notify_one();
    }

    fn serve(self: &Arc<Self>) {
        scheduling::lengthen_slices();
        while let Some(task) = self.next() {
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
    fn next(&self) -> Option<Arc<Task>> {
        let mut state = self.state();
        loop {
            if let Some(task) = state.queue.pop_front() {
                return Some(task);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}
