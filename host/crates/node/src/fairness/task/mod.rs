//! A task of a lane: who polls it, and in which turn.

mod spent;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use keynet_base::crowd::come_last;
use tokio::runtime::Handle;

use self::spent::Began;
use super::lane::Lane;
use super::turns::{Place, State, Turns, is_long};

/// Long polls after which the next one is probably long as well: a single one may have been
/// interrupted by the operating system.
const LONG_POLLS: u32 = 2;

/// What a task does.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that have a turn, for the threads to poll.
pub(super) type Next = Vec<Arc<Task>>;

thread_local! {
    /// The task that this thread polls.
    static CURRENT: RefCell<Option<Arc<Task>>> = const { RefCell::new(None) };
}

impl Lane {
    /// Runs `work` as a task that is polled only in turns of this lane. While other lanes wait for a
    /// turn as well, the next goes to the lane that used the least processor time for its weight;
    /// within the lane, tasks whose polls are long and the others have turns alternately, each kind in
    /// the order of being woken. A lane that was idle, whose polls take less than half an epoch tick and
    /// that is at most a tick ahead of the other lanes, does not wait for the end of a tick: for it
    /// there is one turn more.
    ///
    /// Workers of the runtime poll it. While its polls or most of its lane are long, or its lane is busy
    /// and others are brief, the threads for those who compute for long do, in the context of the
    /// runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let task = Task::new(Arc::clone(self), Box::pin(work));
        tokio::spawn(OnWorkers(Arc::new(task)));
    }

    /// Makes the current task one of this lane. A task of another lane goes on in this one's next turn.
    pub async fn take_over(self: &Arc<Self>) {
        if with_current(|task| task.change_lane(self)).unwrap_or(false) {
            come_last().await;
        }
    }
}

/// Awaits `future`, which is known to compute for long: its first poll happens on the threads for
/// those who do.
pub async fn for_long<F: Future>(future: F) -> F::Output {
    if with_current(|task| task.state().expects_long = true).is_some() {
        come_last().await;
    }
    future.await
}

/// Ends the turn of the current task if it has taken long: one poll may do several things that take a
/// moment each, as the actions of a sequence.
pub async fn make_way() {
    if with_current(|task| is_long(task.state().began.time().elapsed())).unwrap_or(false) {
        come_last().await;
    }
}

fn with_current<T>(with: impl FnOnce(&Task) -> T) -> Option<T> {
    CURRENT.with_borrow(|task| task.as_deref().map(with))
}

/// A task. Its waker is that which its work sees.
pub(super) struct Task {
    turns: Arc<Turns>,
    /// Context of the polls.
    runtime: Option<Handle>,
    /// The lane, whose key is valid while it is held here.
    lane: Mutex<Arc<Lane>>,
    /// `None` once it has ended.
    work: Mutex<Option<Work>>,
    /// Has the runtime poll it, by one of its workers.
    worker: OnceLock<Waker>,
    /// Locked after `turns`, and never while a waker is called or dropped.
    state: Mutex<TaskState>,
}

struct TaskState {
    /// Key of the lane.
    lane: usize,
    phase: Phase,
    /// When the present poll began to be one of the lane.
    began: Began,
    /// Long polls that followed each other until now.
    long_polls: u32,
    /// `true` if it is counted among the tasks of the lane with long polls: unless it is idle.
    is_counted: bool,
    /// `true` if the work said during a poll that the next one is long.
    expects_long: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits to be woken.
    Idle,
    /// In the queue of the lane, with this ticket.
    Queued(u64),
    /// Has a turn and is to be polled there.
    Granted(Place),
    /// Has a turn and is being polled.
    Polled { woken: bool },
    /// Was dropped by the runtime during a poll by a thread.
    Abandoned,
    /// Has ended, or was dropped.
    Done,
}

impl TaskState {
    fn is_long(&self) -> bool {
        self.long_polls >= LONG_POLLS
    }

    /// Counts it, or not, among the tasks of the lane with long polls.
    fn count(&mut self, turns: &mut State, counts: bool) {
        let counts = counts && self.is_long();
        let before = std::mem::replace(&mut self.is_counted, counts);
        turns.count_long(self.lane, before, counts);
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Task").finish_non_exhaustive()
    }
}

impl Task {
    pub(super) fn new(lane: Arc<Lane>, work: Work) -> Self {
        let state = TaskState {
            lane: lane.turns_key(),
            phase: Phase::Idle,
            began: Began::now(),
            long_polls: 0,
            is_counted: false,
            expects_long: false,
        };
        Self {
            turns: Arc::clone(lane.turns()),
            runtime: Handle::try_current().ok(),
            lane: Mutex::new(lane),
            work: Mutex::new(Some(work)),
            worker: OnceLock::new(),
            state: Mutex::new(state),
        }
    }

    /// Returns the key of the lane.
    #[cfg(test)]
    pub(super) fn lane(&self) -> usize {
        self.state().lane
    }

    fn state(&self) -> MutexGuard<'_, TaskState> {
        lock(&self.state)
    }

    /// Takes a turn if one is free, or joins the queue. Returns where the turn is.
    fn want(self: &Arc<Self>, turns: &mut State, state: &mut TaskState) -> Option<Place> {
        let has_turn = turns.has_turn(state.lane);
        self.take_or_queue(has_turn, turns, state)
    }

    fn take_or_queue(
        self: &Arc<Self>,
        has_turn: bool,
        turns: &mut State,
        state: &mut TaskState,
    ) -> Option<Place> {
        state.count(turns, true);
        if !has_turn {
            state.phase = Phase::Queued(turns.queue(state.lane, Arc::clone(self), state.is_long()));
            return None;
        }
        turns.take(state.lane);
        let place = turns.place(state.lane, state.is_long());
        state.phase = Phase::Granted(place);
        Some(place)
    }

    /// Has the task polled that was given a turn at `place`; returns it if threads are to do that.
    fn go_on(self: Arc<Self>, place: Place) -> Option<Arc<Self>> {
        match place {
            Place::Threads => Some(self),
            Place::Worker => {
                self.wake_worker();
                None
            }
        }
    }

    fn wake_worker(&self) {
        if let Some(worker) = self.worker.get() {
            worker.wake_by_ref();
        }
    }

    /// Polls it on a worker if it has a turn there.
    fn poll_on_worker(self: &Arc<Self>, worker: &Waker) -> Poll<()> {
        if self.worker.get().is_none() {
            // The waker of a task of the runtime stays the same.
            let _ = self.worker.set(worker.clone());
            self.wake_by_ref();
        }
        if self.begin(Place::Worker) {
            self.turns.threads().run_all(self.poll());
        }
        if self.state().phase == Phase::Done { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Polls it on a thread. Returns what threads poll next.
    pub(super) fn poll_on_thread(self: &Arc<Self>) -> Next {
        if !self.begin(Place::Threads) {
            return Next::default(); // it was dropped
        }
        let _entered = self.runtime.as_ref().map(Handle::enter);
        self.poll()
    }

    /// Has a worker do the poll that no thread can do.
    pub(super) fn poll_on_worker_instead(&self) {
        let mut state = self.state();
        if state.phase == Phase::Granted(Place::Threads) {
            state.phase = Phase::Granted(Place::Worker);
        }
        drop(state);
        self.wake_worker();
    }

    /// Begins a poll; `false` if it has no turn at `place`.
    fn begin(&self, place: Place) -> bool {
        let mut state = self.state();
        let has_turn = state.phase == Phase::Granted(place);
        if has_turn {
            state.phase = Phase::Polled { woken: false };
            state.began = Began::now();
        }
        has_turn
    }

    /// Polls its work in the turn that it has. Returns what threads poll next.
    fn poll(self: &Arc<Self>) -> Next {
        let waker = Waker::from(Arc::clone(self));
        let mut work = lock(&self.work);
        let before = CURRENT.replace(Some(Arc::clone(self)));
        // A panic, which was reported, ends it as well.
        let poll = |work: &mut Option<Work>| {
            let polled =
                work.as_mut().map(|work| work.as_mut().poll(&mut Context::from_waker(&waker)));
            if polled != Some(Poll::Pending) {
                *work = None;
            }
        };
        if catch_unwind(AssertUnwindSafe(|| poll(&mut work))).is_err() {
            let _ = catch_unwind(AssertUnwindSafe(|| *work = None));
        }
        let has_ended = work.is_none();
        CURRENT.set(before);
        drop(work);
        self.end(has_ended, Instant::now())
    }

    /// Ends a turn. Returns what threads poll next.
    fn end(self: &Arc<Self>, has_ended: bool, now: Instant) -> Next {
        let mut turns = self.turns.state_at(now);
        let mut state = self.state();
        let took = now.saturating_duration_since(state.began.time());
        turns.give_back(state.lane, state.began.spent(now));
        let is_abandoned = state.phase == Phase::Abandoned;
        let is_over = has_ended || is_abandoned;
        state.long_polls = match (is_over, std::mem::take(&mut state.expects_long)) {
            (true, _) => 0,
            (false, true) => LONG_POLLS,
            (false, false) if is_long(took) => state.long_polls + 1,
            (false, false) => 0,
        };
        let mut place = None;
        match state.phase {
            _ if is_over => state.phase = Phase::Done,
            Phase::Polled { woken: true } => {
                let goes_on = turns.may_go_on(state.lane);
                place = self.take_or_queue(goes_on, &mut turns, &mut state);
            }
            _ => state.phase = Phase::Idle,
        }
        if matches!(state.phase, Phase::Done | Phase::Idle) {
            state.count(&mut turns, false);
        }
        drop(state);
        let granted = grant(&mut turns);
        drop(turns);

        if is_abandoned {
            drop(lock(&self.work).take());
        }
        if has_ended {
            self.wake_worker(); // which is this one, or waits
        }
        let own = place.map(|place| (Arc::clone(self), place));
        own.into_iter().chain(granted).filter_map(|(task, place)| task.go_on(place)).collect()
    }

    /// Moves a task that is being polled to another lane, which is charged for the poll from now on.
    /// Returns whether it was of another one.
    fn change_lane(&self, lane: &Arc<Lane>) -> bool {
        let mut held = lock(&self.lane);
        if Arc::ptr_eq(&held, lane) {
            return false;
        }
        let began = Began::now();
        let mut turns = self.turns.state_at(began.time());
        let mut state = self.state();
        state.count(&mut turns, false);
        turns.give_back(state.lane, state.began.spent(began.time()));
        (state.lane, state.began, state.long_polls) = (lane.turns_key(), began, 0);
        turns.take(state.lane);
        drop((state, turns));
        let before = std::mem::replace(&mut *held, Arc::clone(lane));
        drop(held);
        drop(before);
        true
    }

    /// Gives up a turn or a place in the queue: the runtime dropped the task.
    fn leave(&self) {
        let mut turns = self.turns.state();
        let mut state = self.state();
        let phase = state.phase;
        state.phase = match phase {
            Phase::Polled { .. } => Phase::Abandoned, // the thread gives the turn back
            _ => Phase::Done,
        };
        match phase {
            Phase::Done | Phase::Polled { .. } | Phase::Abandoned => return,
            Phase::Queued(ticket) => turns.unqueue(state.lane, ticket),
            Phase::Granted(_) => turns.give_back(state.lane, Duration::ZERO),
            Phase::Idle => {}
        }
        state.count(&mut turns, false);
        drop(state);
        let granted = grant(&mut turns);
        drop(turns);

        drop(lock(&self.work).take());
        let next = granted.filter_map(|(task, place)| task.go_on(place)).collect();
        self.turns.threads().run_all(next);
    }
}

/// Gives turns that are free to tasks that wait, to be polled without the lock. There are at most two
/// after a turn has ended, since the processor that was kept for brief lanes may be free again.
fn grant(turns: &mut State) -> impl Iterator<Item = (Arc<Task>, Place)> + use<> {
    let granted = [turns.grant(), turns.grant()].map(|task| {
        task.map(|task| {
            let mut state = task.state();
            let place = turns.place(state.lane, state.is_long());
            state.phase = Phase::Granted(place);
            drop(state);
            (task, place)
        })
    });
    granted.into_iter().flatten()
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Phase::Polled { woken } = &mut self.state().phase {
            *woken = true;
            return;
        }
        let mut turns = self.turns.state_at(Instant::now());
        let mut state = self.state();
        let place = match &mut state.phase {
            Phase::Polled { woken } => {
                *woken = true;
                None
            }
            Phase::Idle => self.want(&mut turns, &mut state),
            _ => None,
        };
        drop((state, turns));
        if let Some(task) = place.and_then(|place| Arc::clone(self).go_on(place)) {
            self.turns.threads().run_all(vec![task]);
        }
    }
}

/// A task as the runtime sees it.
struct OnWorkers(Arc<Task>);

impl Future for OnWorkers {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_on_worker(context.waker())
    }
}

impl Drop for OnWorkers {
    fn drop(&mut self) {
        self.0.leave();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
