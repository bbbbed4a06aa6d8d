//! A task of a lane: who polls it, and in which turn.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use keynet_base::crowd::come_last;
use tokio::runtime::Handle;

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
    if with_current(|task| is_long(task.state().began.elapsed())).unwrap_or(false) {
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
    /// Time from which the present poll is one of the lane.
    began: Instant,
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
            began: Instant::now(),
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
        if !turns.has_turn(state.lane) {
            return self.queue(turns, state);
        }
        state.count(turns, true);
        turns.take(state.lane);
        let place = turns.place(state.lane, state.is_long());
        state.phase = Phase::Granted(place);
        Some(place)
    }

    fn queue(self: &Arc<Self>, turns: &mut State, state: &mut TaskState) -> Option<Place> {
        state.count(turns, true);
        state.phase = Phase::Queued(turns.queue(state.lane, Arc::clone(self), state.is_long()));
        None
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
            state.began = Instant::now();
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
        let spent = now.saturating_duration_since(state.began);
        turns.give_back(state.lane, spent);
        let is_abandoned = state.phase == Phase::Abandoned;
        let is_over = has_ended || is_abandoned;
        state.long_polls = match (is_over, std::mem::take(&mut state.expects_long)) {
            (true, _) => 0,
            (false, true) => LONG_POLLS,
            (false, false) if is_long(spent) => state.long_polls + 1,
            (false, false) => 0,
        };
        let mut place = None;
        match state.phase {
            _ if is_over => state.phase = Phase::Done,
            Phase::Polled { woken: true } if turns.may_go_on(state.lane) => {
                place = self.want(&mut turns, &mut state);
            }
            Phase::Polled { woken: true } => place = self.queue(&mut turns, &mut state),
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
        let now = Instant::now();
        let mut turns = self.turns.state_at(now);
        let mut state = self.state();
        state.count(&mut turns, false);
        turns.give_back(state.lane, now.saturating_duration_since(state.began));
        (state.lane, state.began, state.long_polls) = (lane.turns_key(), now, 0);
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

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::panic::resume_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use tokio::sync::{Notify, oneshot};
    use tokio::task::yield_now;

    use super::*;
    use crate::fairness::{Fairness, Share};

    const SHARE: Share = Share { weight: 1, concurrent: 1, queue: 1 };

    /// A future that never ends; counts its polls.
    #[derive(Clone, Default)]
    struct Probe {
        polls: Arc<AtomicUsize>,
        waker: Arc<Mutex<Option<Waker>>>,
    }

    impl Probe {
        fn spawn(lane: &Arc<Lane>) -> Self {
            let probe = Self::default();
            let own = probe.clone();
            lane.spawn(poll_fn(move |context| {
                own.polls.fetch_add(1, Ordering::SeqCst);
                *own.waker.lock().unwrap() = Some(context.waker().clone());
                Poll::Pending
            }));
            probe
        }

        fn wake(&self) {
            self.waker.lock().unwrap().as_ref().unwrap().wake_by_ref();
        }

        fn polls(&self) -> usize {
            self.polls.load(Ordering::SeqCst)
        }
    }

    /// Runs `work` as a task of the lane.
    async fn run<T: Send + 'static>(
        lane: &Arc<Lane>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let (ended, end) = oneshot::channel();
        lane.spawn(async move { drop(ended.send(work.await)) });
        end.await.unwrap()
    }

    /// Runs the tasks that are ready.
    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    fn is_idle(fairness: &Fairness, lane: &Lane) -> bool {
        (fairness.computing(), lane.waiting_to_compute()) == (0, 0)
    }

    async fn wait_until(is_so: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < until, "it did not come");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Computes for as long as delays others.
    fn compute_for_long() {
        thread::sleep(Duration::from_millis(4));
    }

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn a_task_is_polled_once_for_each_wake_up() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let probe = Probe::spawn(&lane);
        settle().await;
        assert_eq!(probe.polls(), 1);
        probe.wake();
        probe.wake();
        settle().await;
        assert_eq!(probe.polls(), 2);
        assert!(is_idle(&fairness, &lane));
    }

    #[tokio::test]
    async fn a_task_that_is_woken_while_no_turn_is_free_is_polled_when_it_has_one() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let probe = Probe::spawn(&lane);
        settle().await;
        let (woken, own) = (probe.clone(), Arc::clone(&lane));
        run(&lane, async move {
            woken.wake();
            woken.wake();
            assert_eq!((woken.polls(), own.waiting_to_compute()), (1, 1));
        })
        .await;
        settle().await;
        assert_eq!(probe.polls(), 2);
        assert!(is_idle(&fairness, &lane));
    }

    #[tokio::test]
    async fn a_task_that_wakes_itself_lets_the_others_of_its_lane_come_first() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let (order, start) = (Arc::<Mutex<Vec<usize>>>::default(), Arc::new(Notify::new()));
        for number in 0..3 {
            let (order, start) = (Arc::clone(&order), Arc::clone(&start));
            lane.spawn(async move {
                start.notified().await;
                for _ in 0..3 {
                    order.lock().unwrap().push(number);
                    come_last().await;
                }
            });
        }
        settle().await;
        start.notify_waiters();
        settle().await;
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    }

    #[tokio::test]
    async fn a_panic_gives_the_turn_back() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        for is_long in [false, true] {
            lane.spawn(async move {
                if is_long {
                    for_long(async {}).await;
                }
                resume_unwind(Box::new("in a poll"))
            });
            wait_until(|| is_idle(&fairness, &lane)).await;
            assert_eq!(run(&lane, async { 1 }).await, 1);
        }
    }

    #[tokio::test]
    async fn a_waker_that_outlives_its_task_does_nothing() {
        let fairness = Fairness::new(1, 1);
        let first = fairness.lane("a", SHARE);
        let waker = poll_fn(|context| Poll::Ready(context.waker().clone()));
        let waker = run(&first, waker).await;
        settle().await;
        drop(first);
        let second = fairness.lane("b", SHARE); // has the key of the first
        waker.wake();
        assert!(is_idle(&fairness, &second));
    }

    #[tokio::test]
    async fn the_time_of_polls_is_charged_to_the_lane_that_took_the_task_over() {
        let fairness = Fairness::new(1, 1);
        let (first, second) = (fairness.lane("a", SHARE), fairness.lane("b", SHARE));
        let other = Arc::clone(&second);
        run(&first, async move {
            thread::sleep(Duration::from_millis(1));
            other.take_over().await;
            compute_for_long();
            other.take_over().await; // it is one of that lane already
            compute_for_long();
        })
        .await;
        settle().await;
        let part = |lane: &Lane| lane.computed().as_millis();
        assert!(part(&first) >= 1 && part(&second) >= 8, "{:?}", [&first, &second]);
        assert!(is_idle(&fairness, &first) && is_idle(&fairness, &second));
    }

    #[tokio::test]
    async fn what_computes_for_long_goes_on_on_a_thread_in_the_context_of_the_runtime() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let work = async {
            let first = thread_name();
            for _ in 0..LONG_POLLS {
                compute_for_long();
                yield_now().await;
            }
            let second = thread_name();
            let joined = tokio::spawn(async { thread_name() }).await.unwrap();
            for _ in 0..30 {
                tokio::time::sleep(Duration::from_micros(100)).await; // until few polls are long
            }
            (first, second, joined, thread_name())
        };
        let (first, second, joined, last) = run(&lane, work).await;
        assert_ne!(first, "computing");
        assert_eq!(second, "computing");
        assert_eq!((&joined, &last), (&first, &first), "other tasks, and short polls, do not");
        wait_until(|| is_idle(&fairness, &lane)).await;
    }

    #[tokio::test]
    async fn the_next_tasks_of_a_lane_that_computes_for_long_begin_on_a_thread() {
        let fairness = Fairness::new(4, 2);
        let lane = fairness.lane("a", SHARE);
        for _ in 0..16 {
            run(&lane, async { compute_for_long() }).await;
        }
        let names = (0..2).map(|_| run(&lane, async { thread_name() }));
        let names = futures::future::join_all(names).await;
        assert!(names.iter().all(|name| name == "computing"), "{names:?}");
        wait_until(|| is_idle(&fairness, &lane)).await;
    }

    #[tokio::test]
    async fn what_is_known_to_compute_for_long_does_so_on_a_thread() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        assert_eq!(run(&lane, for_long(async { thread_name() })).await, "computing");
        assert_ne!(run(&lane, async { thread_name() }).await, "computing");
        assert_eq!(for_long(async { 1 }).await, 1, "outside of a task it is a future");
    }

    #[tokio::test]
    async fn both_of_two_loops_that_have_a_turn_at_once_are_polled() {
        let fairness = Fairness::new(1, 2);
        let (lane, quiet) = (fairness.lane("a", SHARE), fairness.lane("b", SHARE));
        let polls = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&polls);
        let first = run(&lane, async move {
            let until = Instant::now() + Duration::from_secs(10);
            while counted.load(Ordering::SeqCst) == 0 && Instant::now() < until {
                compute_for_long();
                come_last().await;
            }
            Instant::now() < until
        });
        let second = async {
            wait_until(|| !lane.turns().has_short_polls(lane.turns_key())).await;
            run(&quiet, async {}).await; // a processor is kept for it
            let counted = Arc::clone(&polls);
            run(&lane, for_long(async move { counted.fetch_add(1, Ordering::SeqCst) })).await;
        };
        assert!(futures::join!(first, second).0, "the second was not polled beside the first");
    }

    #[tokio::test]
    async fn a_connection_that_only_waits_does_not_make_its_lane_one_that_computes_for_long() {
        let fairness = Fairness::new(1, 2);
        let lane = fairness.lane("a", SHARE);
        lane.spawn(for_long(pending()));
        settle().await;
        wait_until(|| is_idle(&fairness, &lane)).await;
        assert!(lane.turns().has_short_polls(lane.turns_key()));
    }

    #[tokio::test]
    async fn a_turn_that_has_taken_long_ends_before_more_is_done_in_it() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let work = async {
            make_way().await;
            let first = with_current(|task| task.state().began);
            compute_for_long();
            make_way().await;
            (first, with_current(|task| task.state().began))
        };
        let (first, second) = run(&lane, work).await;
        assert!(first.unwrap() < second.unwrap());
    }

    #[test]
    fn tasks_that_the_runtime_drops_leave_no_turn_behind() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (held, polls) = (Arc::new(()), Arc::<AtomicUsize>::default());
        runtime.block_on(async {
            let inside = Arc::clone(&held);
            lane.spawn(async move {
                let _inside = inside;
                pending::<()>().await;
            });
            let (inside, counted) = (Arc::clone(&held), Arc::clone(&polls));
            lane.spawn(for_long(async move {
                let _inside = inside;
                loop {
                    counted.fetch_add(1, Ordering::SeqCst);
                    compute_for_long();
                    yield_now().await;
                }
            }));
            wait_until(|| polls.load(Ordering::SeqCst) > 2).await;
            let probe = Probe::spawn(&lane);
            wait_until(|| probe.polls() > 0).await; // it has turns alternately
        });
        drop(runtime);
        let until = Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&held) > 1 || !is_idle(&fairness, &lane) {
            assert!(Instant::now() < until, "a task is still there");
            thread::sleep(Duration::from_millis(1));
        }
        let polled = polls.load(Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        assert_eq!(polls.load(Ordering::SeqCst), polled);
    }
}
