//! The seat of an activation among the turns: who polls it, and in which turn.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::threads::{Moved, Next};
use super::turns::{State, Turns, is_long};

/// Seat of one activation: the waker that its future sees.
pub(super) struct Seat {
    turns: Arc<Turns>,
    /// Key of the lane in `turns`.
    lane: usize,
    /// Locked after `turns`, and never while a waker is called or dropped.
    state: Mutex<SeatState>,
}

struct SeatState {
    phase: Phase,
    /// Task to wake when the seat gets a turn, or when its future has ended on a thread.
    task: Option<Waker>,
    /// The future, if the threads poll it.
    moved: Option<Arc<dyn Moved>>,
    /// Long polls that followed each other until now.
    long_polls: u32,
}

/// Long polls after which the next one is probably long as well: a single one may have been
/// interrupted by the operating system.
const LONG_POLLS: u32 = 2;

/// Who polls a future first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Its task.
    Task,
    /// The threads for those who compute for long.
    Threads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits to be woken.
    Idle,
    /// Is to be polled by its task, which looks for a turn.
    Woken,
    /// In the queue of the lane, with this ticket.
    Queued(u64),
    /// Has a turn and is to be polled.
    Granted,
    /// Has a turn and is being polled.
    Polled { woken: bool },
    /// Was dropped during a poll by a thread.
    Abandoned,
    /// Is complete, has panicked or was dropped.
    Done,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Seat").field("lane", &self.lane).finish_non_exhaustive()
    }
}

/// Whoever polls a seat that has a turn.
enum Poller {
    Task(Waker),
    Threads(Arc<dyn Moved>),
}

/// Seats that were granted a turn, with their pollers, to call and to drop without the lock. There are
/// at most two after a turn has ended, since the processor that was kept for brief lanes may be free
/// again.
type Granted = [Option<(Option<Poller>, Arc<Seat>)>; 2];

fn grant(turns: &mut State) -> Granted {
    [turns.grant(), turns.grant()].map(|next| next.map(|next| (next.grant(), next)))
}

/// Wakes the tasks of those that have a turn; returns those that threads poll.
fn wake_tasks(granted: Granted) -> Next {
    let mut next = Next::default();
    for (poller, _seat) in granted.into_iter().flatten() {
        match poller {
            Some(Poller::Task(task)) => task.wake(),
            Some(Poller::Threads(moved)) => next.push(moved),
            None => {}
        }
    }
    next
}

impl SeatState {
    /// Sets the task; returns the one before, to drop without the lock.
    fn set_task(&mut self, task: &Waker) -> Option<Waker> {
        let is_new = !self.task.as_ref().is_some_and(|known| known.will_wake(task));
        is_new.then(|| self.task.replace(task.clone())).flatten()
    }

    /// Ends the activation, one of `lane`. Returns its future, to drop without the lock.
    fn end(&mut self, turns: &mut State, lane: usize) -> Option<Arc<dyn Moved>> {
        self.phase = Phase::Done;
        self.moved.take().inspect(|_| turns.end_moved(lane))
    }
}

impl Seat {
    pub(super) fn new(turns: Arc<Turns>, lane: usize, start: Start) -> Self {
        let long_polls = if start == Start::Threads { LONG_POLLS } else { 0 };
        let state = SeatState { phase: Phase::Woken, task: None, moved: None, long_polls };
        Self { turns, lane, state: Mutex::new(state) }
    }

    /// Returns the key of the lane.
    #[cfg(test)]
    pub(super) fn lane(&self) -> usize {
        self.lane
    }

    fn state(&self) -> MutexGuard<'_, SeatState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the turn to this seat, which [`Turns`] had in a queue.
    fn grant(&self) -> Option<Poller> {
        let mut state = self.state();
        state.phase = Phase::Granted;
        match &state.moved {
            Some(moved) => Some(Poller::Threads(Arc::clone(moved))),
            None => state.task.take().map(Poller::Task),
        }
    }

    /// Sets the task to wake when the future has ended on a thread.
    pub(super) fn set_task(&self, task: &Waker) {
        let stale = self.state().set_task(task);
        drop(stale);
    }

    /// Begins a poll by `task`, which is woken if the poll has to wait.
    pub(super) fn begin(self: &Arc<Self>, task: &Waker) -> Begun<'_> {
        let mut turns = self.turns.state();
        let mut state = self.state();
        let is_long = state.long_polls >= LONG_POLLS || turns.is_long(self.lane);
        match state.phase {
            Phase::Woken | Phase::Granted if is_long => return Begun::IsLong,
            Phase::Granted => {}
            Phase::Woken if turns.has_turn(self.lane) => turns.take(self.lane),
            phase => {
                if phase == Phase::Woken {
                    state.phase = Phase::Queued(turns.queue(self.lane, Arc::clone(self)));
                }
                let stale = state.set_task(task);
                drop((state, turns));
                drop(stale);
                return Begun::Waits;
            }
        }
        state.phase = Phase::Polled { woken: false };
        drop((state, turns));
        Begun::Turn(Turn { seat: self, began: Instant::now() })
    }

    /// Begins a poll by a thread; `None` if the future was dropped.
    pub(super) fn begin_moved(self: &Arc<Self>) -> Option<Turn<'_>> {
        let mut state = self.state();
        let is_granted = state.phase == Phase::Granted;
        is_granted.then(|| {
            state.phase = Phase::Polled { woken: false };
            Turn { seat: self, began: Instant::now() }
        })
    }

    /// Leaves the polls to the threads, in turns as before; `task` is woken when the future, `moved`,
    /// has ended.
    pub(super) fn move_to_threads(self: &Arc<Self>, moved: Arc<dyn Moved>, task: &Waker) {
        let mut turns = self.turns.state();
        let mut state = self.state();
        let stale = state.set_task(task);
        state.moved = Some(Arc::clone(&moved));
        turns.move_one(self.lane);
        if state.phase == Phase::Woken {
            state.phase = if turns.has_turn(self.lane) {
                turns.take(self.lane);
                Phase::Granted
            } else {
                Phase::Queued(turns.queue(self.lane, Arc::clone(self)))
            };
        }
        let is_granted = state.phase == Phase::Granted;
        drop((state, turns));
        drop(stale);
        if is_granted {
            self.turns.threads().run(moved);
        }
    }

    /// Gives up a turn or a place in the queue: the future is dropped.
    pub(super) fn leave(&self) {
        let mut turns = self.turns.state();
        let mut state = self.state();
        let task = state.task.take();
        match state.phase {
            Phase::Polled { .. } => {
                state.phase = Phase::Abandoned; // the thread gives the turn back
                drop((state, turns));
                return drop(task);
            }
            Phase::Queued(ticket) => turns.unqueue(self.lane, ticket),
            Phase::Granted => turns.give_back(self.lane, Duration::ZERO),
            _ => {}
        }
        let moved = state.end(&mut turns, self.lane);
        drop(state);
        let next = grant(&mut turns);
        drop(turns);

        drop((task, moved));
        self.turns.threads().run_all(wake_tasks(next));
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut turns = self.turns.state();
        let mut state = self.state();
        match state.phase {
            Phase::Polled { woken: false } => state.phase = Phase::Polled { woken: true },
            Phase::Idle if turns.has_turn(self.lane) => {
                if let Some(moved) = state.moved.clone() {
                    turns.take(self.lane);
                    state.phase = Phase::Granted;
                    drop((state, turns));
                    return self.turns.threads().run(moved);
                }
                state.phase = Phase::Woken;
                let task = state.task.take();
                drop((state, turns));
                wake(task);
            }
            Phase::Idle => {
                state.phase = Phase::Queued(turns.queue(self.lane, Arc::clone(self)));
            }
            _ => {}
        }
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// What comes of a wish to poll a seat.
pub(super) enum Begun<'a> {
    /// It has a turn.
    Turn(Turn<'a>),
    /// It has to wait for a turn or for a wake-up.
    Waits,
    /// The poll is probably long: the threads are to do it and all further ones.
    IsLong,
}

/// The turn in which a seat is polled. If it is dropped, the seat is done: its future is complete
/// or has panicked.
pub(super) struct Turn<'a> {
    seat: &'a Arc<Seat>,
    began: Instant,
}

impl<'a> Turn<'a> {
    /// Ends the poll. Returns its seat, which has the turn still, and the time that it took.
    fn stop(self) -> (&'a Arc<Seat>, Duration) {
        let stopped = (self.seat, self.began.elapsed());
        std::mem::forget(self);
        stopped
    }

    /// Ends a poll by `task` after which the future waits, or wants another turn.
    pub(super) fn end(self, task: &Waker) {
        let (seat, spent) = self.stop();
        let mut turns = seat.turns.state();
        turns.give_back(seat.lane, spent);
        let mut state = seat.state();
        state.long_polls = if is_long(spent) { state.long_polls + 1 } else { 0 };
        let is_woken = state.phase == Phase::Polled { woken: true };
        let wakes_itself = is_woken && turns.is_free(seat.lane);
        state.phase = match is_woken {
            true if wakes_itself => Phase::Woken,
            true => Phase::Queued(turns.queue(seat.lane, Arc::clone(seat))),
            false => Phase::Idle,
        };
        let stale = if wakes_itself { None } else { state.set_task(task) };
        drop(state);
        let next = grant(&mut turns);
        drop(turns);

        drop(stale);
        if wakes_itself {
            task.wake_by_ref();
        }
        seat.turns.threads().run_all(wake_tasks(next));
    }

    /// Ends a poll by a thread after which the future waits, or wants another turn. Returns what
    /// threads poll next.
    pub(super) fn end_moved(self) -> Next {
        let (seat, spent) = self.stop();
        let mut turns = seat.turns.state();
        turns.give_back(seat.lane, spent);
        let mut state = seat.state();
        let (mut again, mut dropped) = (None, None);
        state.phase = match state.phase {
            Phase::Abandoned => {
                dropped = state.end(&mut turns, seat.lane);
                Phase::Done
            }
            Phase::Polled { woken: true } if turns.is_free(seat.lane) => {
                turns.take(seat.lane);
                again = state.moved.clone();
                Phase::Granted
            }
            Phase::Polled { woken: true } => {
                Phase::Queued(turns.queue(seat.lane, Arc::clone(seat)))
            }
            _ => Phase::Idle,
        };
        drop(state);
        let next = grant(&mut turns);
        drop(turns);

        drop(dropped);
        let mut next = wake_tasks(next);
        again.into_iter().for_each(|again| next.push(again));
        next
    }

    /// Ends the last poll of a future by a thread. Returns what threads poll next.
    pub(super) fn complete(self) -> Next {
        let (seat, spent) = self.stop();
        let (task, next) = seat.done(spent);
        wake(task);
        next
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (task, next) = self.seat.done(self.began.elapsed());
        drop(task);
        self.seat.turns.threads().run_all(next);
    }
}

impl Seat {
    /// Ends the last poll of the future, which took `spent`. Returns its task, and what threads poll
    /// next.
    fn done(&self, spent: Duration) -> (Option<Waker>, Next) {
        let mut turns = self.turns.state();
        turns.give_back(self.lane, spent);
        let mut state = self.state();
        let (task, moved) = (state.task.take(), state.end(&mut turns, self.lane));
        drop(state);
        let next = grant(&mut turns);
        drop(turns);

        drop(moved);
        (task, wake_tasks(next))
    }
}
