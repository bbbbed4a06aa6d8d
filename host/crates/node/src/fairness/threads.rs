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

use keynet_base::scheduling::{self, Usual};

use super::task::{Next, Task};

/// Threads, started when they are needed first. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Threads(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Number of threads that leave a processor to others, and of all.
    leaving: usize,
    most: usize,
    /// What the rest of the threads have: one of the others may start them.
    usual: Usual,
    state: Mutex<State>,
    leaving_changed: Condvar,
    anywhere_changed: Condvar,
}

/// Where a thread runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// On all processors but the one that is left to others.
    Leaving,
    /// Anywhere.
    Anywhere,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<Task>>,
    started: usize,
    leaving_idle: usize,
    anywhere_idle: usize,
    closed: bool,
}

impl Threads {
    /// Creates threads for `computing` processors, and one more.
    pub(super) fn new(computing: usize) -> Self {
        let (leaving, most) = (computing.saturating_sub(1), computing + 1);
        let (leaving_changed, anywhere_changed) = (Condvar::new(), Condvar::new());
        let (usual, state) = (Usual::of_this_thread(), Mutex::default());
        let shared = Shared { leaving, most, usual, state, leaving_changed, anywhere_changed };
        Self(Arc::new(shared))
    }

    /// Polls tasks, which have a turn each, on threads; on workers if none can be started.
    pub(super) fn run_all(&self, next: Next) {
        next.into_iter().for_each(|task| self.0.run(task));
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.leaving_changed.notify_all();
        self.0.anywhere_changed.notify_all();
    }
}

impl State {
    fn idle(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Leaving => &mut self.leaving_idle,
            Kind::Anywhere => &mut self.anywhere_idle,
        }
    }

    /// Reports whether a thread that leaves a processor to others has nothing to do.
    fn has_leaving(&self) -> bool {
        self.leaving_idle > self.queue.len()
    }
}

impl Shared {
    fn changed(&self, kind: Kind) -> &Condvar {
        match kind {
            Kind::Leaving => &self.leaving_changed,
            Kind::Anywhere => &self.anywhere_changed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(self: &Arc<Self>, task: Arc<Task>) {
        let mut state = self.state();
        let waiting = state.queue.len();
        if state.leaving_idle + state.anywhere_idle <= waiting && state.started < self.most {
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
        let kind = if state.has_leaving() { Kind::Leaving } else { Kind::Anywhere };
        state.queue.push_back(task);
        drop(state);
        self.changed(kind).notify_one();
    }

    fn serve(self: &Arc<Self>, kind: Kind) {
        self.usual.restore();
        if kind == Kind::Leaving {
            scheduling::leave_a_processor();
        }
        scheduling::lengthen_slices();
        while let Some(task) = self.next(kind) {
            let mut next = task.poll_on_thread();
            drop(task);
            // This thread goes on with one of them, unless one that gets work first has none.
            while let Some(own) = next.pop() {
                if kind == Kind::Anywhere && self.state().has_leaving() {
                    next.push(own);
                    break;
                }
                next.into_iter().for_each(|task| self.run(task));
                next = own.poll_on_thread();
            }
            next.into_iter().for_each(|task| self.run(task));
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
            *state.idle(kind) += 1;
            state = self.changed(kind).wait(state).unwrap_or_else(PoisonError::into_inner);
            *state.idle(kind) -= 1;
        }
    }
}
