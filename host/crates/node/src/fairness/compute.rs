//! The future that is polled only in a turn.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::turns::{State, Turns};

impl Lane {
    /// Returns a future that polls `future` only in a turn. While other lanes wait for a turn as
    /// well, the next goes to the lane that used the least processor time for its weight; within the
    /// lane the order is that of being woken. A lane that was idle, whose polls take less than half
    /// an epoch tick and that is at most a tick ahead of the other lanes, does not wait for the end
    /// of a tick: for it there is one turn more.
    ///
    /// `future` sees a waker of its own. When it wakes while no turn is free, it joins the lane's
    /// queue and its task is not woken before it has the turn. The task has to be polled when it is
    /// woken, or to drop the future: a turn that was granted is not taken back.
    pub fn compute<F: Future>(
        self: &Arc<Self>,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let occupant = Occupant::new(Arc::clone(self));
        async move {
            let waker = Waker::from(Arc::clone(&occupant.seat));
            let mut future = pin!(future);
            poll_fn(|context| {
                let task = context.waker();
                let Some(turn) = Turn::begin(&occupant.seat, task) else { return Poll::Pending };
                let result = future.as_mut().poll(&mut Context::from_waker(&waker));
                if result.is_pending() {
                    turn.end(task);
                }
                result
            })
            .await
        }
    }
}

/// Seat of one activation: the waker that its future sees.
#[derive(Debug)]
pub(super) struct Seat {
    turns: Arc<Turns>,
    /// Key of the lane in `turns`.
    lane: usize,
    /// Locked after `turns`, and never while a waker is called or dropped.
    state: Mutex<SeatState>,
}

#[derive(Debug)]
struct SeatState {
    phase: Phase,
    /// Task to wake when the seat gets a turn.
    task: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits to be woken.
    Idle,
    /// Is to be polled; the poll looks for a turn.
    Woken,
    /// In the queue of the lane, with this ticket.
    Queued(u64),
    /// Has a turn and is to be polled.
    Granted,
    /// Has a turn and is being polled.
    Polled { woken: bool },
    /// Is complete, has panicked or was dropped.
    Done,
}

impl Seat {
    pub(super) fn new(turns: Arc<Turns>, lane: usize) -> Self {
        let state = Mutex::new(SeatState { phase: Phase::Woken, task: None });
        Self { turns, lane, state }
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
    fn grant(&self) -> Option<Waker> {
        let mut state = self.state();
        state.phase = Phase::Granted;
        state.task.take()
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

/// A seat that was granted a turn, with its task, to wake and to drop without the lock.
type Granted = (Option<Waker>, Arc<Seat>);

/// Grants turns after one has ended: two, since the processor that was kept for brief lanes may be
/// free again.
fn grant(turns: &mut State) -> [Option<Granted>; 2] {
    [turns.grant(), turns.grant()].map(|next| next.map(|next| (next.grant(), next)))
}

fn wake_all(granted: [Option<Granted>; 2]) {
    for (task, _seat) in granted.into_iter().flatten() {
        wake(task);
    }
}

/// The turn in which a seat is polled. If it is dropped, the seat is done: its future is complete
/// or has panicked.
struct Turn<'a> {
    seat: &'a Arc<Seat>,
    began: Instant,
}

impl<'a> Turn<'a> {
    /// Begins a poll of the seat; `None` if `task` is to wait for a turn or for a wake-up.
    fn begin(seat: &'a Arc<Seat>, task: &Waker) -> Option<Self> {
        let mut turns = seat.turns.state();
        let mut state = seat.state();
        match state.phase {
            Phase::Granted => {}
            Phase::Woken if turns.has_turn(seat.lane) => turns.take(seat.lane),
            phase => {
                if phase == Phase::Woken {
                    state.phase = Phase::Queued(turns.queue(seat.lane, Arc::clone(seat)));
                }
                let is_new = !state.task.as_ref().is_some_and(|known| known.will_wake(task));
                let stale = is_new.then(|| state.task.replace(task.clone()));
                drop((state, turns));
                drop(stale);
                return None;
            }
        }
        state.phase = Phase::Polled { woken: false };
        drop((state, turns));
        Some(Self { seat, began: Instant::now() })
    }

    /// Ends a poll after which the future waits, or wants another turn.
    fn end(self, task: &Waker) {
        let spent = self.began.elapsed();
        let seat = self.seat;
        std::mem::forget(self);

        let mut turns = seat.turns.state();
        turns.give_back(seat.lane, spent);
        let mut state = seat.state();
        let is_woken = state.phase == Phase::Polled { woken: true };
        let wakes_itself = is_woken && turns.is_free(seat.lane);
        state.phase = match is_woken {
            true if wakes_itself => Phase::Woken,
            true => Phase::Queued(turns.queue(seat.lane, Arc::clone(seat))),
            false => Phase::Idle,
        };
        let is_new = !state.task.as_ref().is_some_and(|known| known.will_wake(task));
        let stale = (is_new && !wakes_itself).then(|| state.task.replace(task.clone()));
        drop(state);
        let next = grant(&mut turns);
        drop(turns);

        drop(stale);
        if wakes_itself {
            task.wake_by_ref();
        }
        wake_all(next);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.seat.leave(Some(self.began.elapsed()));
    }
}

impl Seat {
    /// Gives up a turn or a place in the queue; `spent` is the time of the poll that ends.
    fn leave(&self, spent: Option<Duration>) {
        let mut turns = self.turns.state();
        let mut state = self.state();
        match state.phase {
            Phase::Queued(ticket) => turns.unqueue(self.lane, ticket),
            Phase::Granted | Phase::Polled { .. } => {
                turns.give_back(self.lane, spent.unwrap_or_default());
            }
            Phase::Idle | Phase::Woken | Phase::Done => {}
        }
        state.phase = Phase::Done;
        let own = state.task.take();
        drop(state);
        let next = grant(&mut turns);
        drop(turns);

        drop(own);
        wake_all(next);
    }
}

/// The future's hold on its seat.
struct Occupant {
    seat: Arc<Seat>,
    /// Keeps the lane's key in `turns` valid.
    _lane: Arc<Lane>,
}

impl Occupant {
    fn new(lane: Arc<Lane>) -> Self {
        let seat = Seat::new(Arc::clone(lane.turns()), lane.turns_key());
        Self { seat: Arc::new(seat), _lane: lane }
    }
}

impl Drop for Occupant {
    fn drop(&mut self) {
        self.seat.leave(None);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::fairness::{Fairness, Share};

    const SHARE: Share = Share { weight: 1, concurrent: 1, queue: 1 };

    /// A task by hand: it counts how often it is woken, and its future how often it is polled.
    struct Task {
        future: Pin<Box<dyn Future<Output = ()>>>,
        wakes: Arc<Count>,
        polls: Arc<AtomicUsize>,
        /// The waker that the future saw last.
        waker: Arc<Mutex<Option<Waker>>>,
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Task {
        /// A task whose future does `step` in each poll.
        fn new(lane: &Arc<Lane>, mut step: impl FnMut(&Waker) -> Poll<()> + 'static) -> Self {
            let (polls, waker) = (Arc::<AtomicUsize>::default(), Arc::new(Mutex::new(None)));
            let (counted, seen) = (Arc::clone(&polls), Arc::clone(&waker));
            let future = lane.compute(poll_fn(move |context| {
                counted.fetch_add(1, Ordering::Relaxed);
                *seen.lock().unwrap() = Some(context.waker().clone());
                step(context.waker())
            }));
            Self { future: Box::pin(future), wakes: Arc::default(), polls, waker }
        }

        fn looping(lane: &Arc<Lane>) -> Self {
            Self::new(lane, |waker| {
                waker.wake_by_ref();
                Poll::Pending
            })
        }

        fn waiting(lane: &Arc<Lane>) -> Self {
            Self::new(lane, |_| Poll::Pending)
        }

        fn poll(&mut self) -> Poll<()> {
            let waker = Waker::from(Arc::clone(&self.wakes));
            self.future.as_mut().poll(&mut Context::from_waker(&waker))
        }

        fn wake(&self) {
            self.waker.lock().unwrap().as_ref().unwrap().wake_by_ref();
        }

        /// How often the future was polled and the task was woken.
        fn counts(&self) -> (usize, usize) {
            (self.polls.load(Ordering::Relaxed), self.wakes.0.load(Ordering::Relaxed))
        }
    }

    /// A task of the lane in whose poll `during` is done.
    fn while_computing(lane: &Arc<Lane>, mut during: impl FnMut() + 'static) {
        let _ = Task::new(lane, move |_| {
            during();
            Poll::Ready(())
        })
        .poll();
    }

    /// A lane whose polls are long, so that it always queues.
    fn lane(fairness: &Fairness, name: &str) -> Arc<Lane> {
        let lane = fairness.lane(name, SHARE);
        lane.turns().state().assume_long_polls(lane.turns_key());
        lane
    }

    #[test]
    fn a_future_alone_is_polled_as_without_turns() {
        let fairness = Fairness::new(1, 1);
        let lane = lane(&fairness, "a");
        let mut task = Task::looping(&lane);
        for polls in 1..5 {
            assert!(task.poll().is_pending());
            assert_eq!(task.counts(), (polls, polls));
            assert_eq!(fairness.computing(), 0);
        }
        let mut task = Task::waiting(&lane);
        assert!(task.poll().is_pending());
        task.wake();
        task.wake();
        assert_eq!(task.counts(), (1, 1));
        assert!(task.poll().is_pending() && task.poll().is_pending());
        assert_eq!(task.counts(), (2, 1), "it is polled once for each wake-up");
        while_computing(&lane, || ());
        assert_eq!(fairness.computing(), 0);
    }

    #[test]
    fn a_future_that_wakes_while_no_turn_is_free_is_polled_when_it_has_one() {
        let fairness = Fairness::new(1, 1);
        let (busy, other) = (lane(&fairness, "busy"), lane(&fairness, "other"));
        let mut task = Task::waiting(&other);
        assert!(task.poll().is_pending());
        let task = Rc::new(RefCell::new(task));
        let (woken, lane) = (Rc::clone(&task), Arc::clone(&other));
        while_computing(&busy, move || {
            let mut task = woken.borrow_mut();
            task.wake();
            assert!(task.poll().is_pending(), "a task that is polled all the same");
            task.wake();
            assert_eq!(task.counts(), (1, 0), "neither woken nor polled without a turn");
            assert_eq!(lane.waiting_to_compute(), 1);
        });
        let mut task = task.borrow_mut();
        assert_eq!(task.counts(), (1, 1), "woken with the turn");
        assert_eq!((fairness.computing(), other.waiting_to_compute()), (1, 0));
        assert!(task.poll().is_pending());
        assert_eq!(task.counts(), (2, 1));
        assert_eq!(fairness.computing(), 0);
    }

    #[test]
    fn a_future_that_waits_or_was_granted_a_turn_gives_it_on_when_it_is_dropped() {
        let fairness = Fairness::new(1, 1);
        let (busy, other) = (lane(&fairness, "busy"), lane(&fairness, "other"));
        let tasks = Rc::new(RefCell::new(Vec::new()));
        let (queued, lane) = (Rc::clone(&tasks), Arc::clone(&other));
        while_computing(&busy, move || {
            let mut tasks: Vec<_> = (0..3).map(|_| Task::waiting(&lane)).collect();
            assert!(tasks.iter_mut().all(|task| task.poll().is_pending()));
            tasks.remove(0); // waits
            assert_eq!(lane.waiting_to_compute(), 2);
            *queued.borrow_mut() = tasks;
        });
        let mut tasks = tasks.borrow_mut();
        assert_eq!(tasks[0].counts(), (0, 1));
        tasks.remove(0); // has the turn
        assert_eq!(tasks[0].counts(), (0, 1));
        assert!(tasks[0].poll().is_pending());
        assert_eq!(tasks[0].counts(), (1, 1));
        assert_eq!((fairness.computing(), other.waiting_to_compute()), (0, 0));
    }

    #[test]
    fn a_panic_gives_the_turn_back() {
        let fairness = Fairness::new(1, 1);
        let lane = lane(&fairness, "a");
        let mut task = Task::new(&lane, |_| panic!("in a poll"));
        catch_unwind(AssertUnwindSafe(|| task.poll())).unwrap_err();
        assert_eq!(fairness.computing(), 0);
        drop(task);
        while_computing(&lane, || ());
        assert_eq!(fairness.computing(), 0);
    }

    #[test]
    fn a_waker_that_outlives_its_future_does_nothing() {
        let fairness = Fairness::new(1, 1);
        let first = lane(&fairness, "a");
        let mut task = Task::waiting(&first);
        assert!(task.poll().is_pending());
        let (waker, wakes) = (Arc::clone(&task.waker), Arc::clone(&task.wakes));
        drop((task, first));
        let second = lane(&fairness, "b"); // has the key of the first
        waker.lock().unwrap().take().unwrap().wake();
        assert_eq!((second.waiting_to_compute(), fairness.computing()), (0, 0));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_time_of_polls_is_charged_to_the_lane() {
        let fairness = Fairness::new(1, 1);
        let lane = lane(&fairness, "a");
        let time = Duration::from_millis(2);
        while_computing(&lane, move || std::thread::sleep(time));
        assert!(lane.computed() >= time);
    }
}
