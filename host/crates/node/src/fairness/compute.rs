//! The future that is polled only in a turn: by its task, or by the threads for those who compute for
//! long.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use tokio::runtime::Handle;

use super::lane::Lane;
use super::seat::{Begun, Seat, Start};
use super::threads::{Moved, Next};

impl Lane {
    /// Returns a future that polls `future` only in a turn. While other lanes wait for a turn as
    /// well, the next goes to the lane that used the least processor time for its weight; within the
    /// lane the order is that of being woken. A lane that was idle, whose polls take less than half
    /// an epoch tick and that is at most a tick ahead of the other lanes, does not wait for the end
    /// of a tick: for it there is one turn more.
    ///
    /// `future` is polled by its task, until two polls of it, or most polls of the lane, take half a
    /// tick or more. From then on, threads for those who compute for long poll it, in the context of the
    /// task's runtime.
    ///
    /// `future` sees a waker of its own. When it wakes while no turn is free, it joins the lane's
    /// queue and its task is not woken before it has the turn. The task has to be polled when it is
    /// woken, or to drop the future: a turn that was granted is not taken back. If the future is
    /// dropped during a poll by a thread, that poll is its last.
    #[inline(always)] // so that a large future is not copied before it is in its box
    pub fn compute<F>(self: &Arc<Self>, future: F) -> impl Future<Output = F::Output> + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.compute_from(Start::Task, Box::pin(future))
    }

    /// The same for a future that is known to compute for long: the threads poll it from the first
    /// time on.
    pub fn compute_for_long<F>(
        self: &Arc<Self>,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.compute_from(Start::Threads, Box::pin(future))
    }

    fn compute_from<F>(
        self: &Arc<Self>,
        start: Start,
        future: Pin<Box<F>>,
    ) -> impl Future<Output = F::Output> + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let occupant = Occupant::new(Arc::clone(self), start);
        let mut place = Place::Here(future);
        async move {
            let waker = Waker::from(Arc::clone(&occupant.seat));
            poll_fn(|context| {
                let task = context.waker();
                let future = match &mut place {
                    Place::Here(future) => future,
                    Place::Elsewhere(elsewhere) => return elsewhere.poll_output(task),
                };
                let turn = match occupant.seat.begin(task) {
                    Begun::Turn(turn) => turn,
                    Begun::Waits => return Poll::Pending,
                    Begun::IsLong => {
                        let elsewhere = Arc::new(Elsewhere::new(&occupant));
                        let moved = Place::Elsewhere(Arc::clone(&elsewhere));
                        if let Place::Here(future) = std::mem::replace(&mut place, moved) {
                            *lock(&elsewhere.future) = Some(future);
                        }
                        occupant.seat.move_to_threads(elsewhere, task);
                        return Poll::Pending;
                    }
                };
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

/// Who polls a future.
enum Place<F: Future> {
    /// The task.
    Here(Pin<Box<F>>),
    /// The threads.
    Elsewhere(Arc<Elsewhere<F>>),
}

/// A future that the threads poll.
struct Elsewhere<F: Future> {
    seat: Arc<Seat>,
    /// Keeps the lane's key in the turns valid.
    _lane: Arc<Lane>,
    /// Context of the polls.
    runtime: Option<Handle>,
    /// `None` once it has ended.
    future: Mutex<Option<Pin<Box<F>>>>,
    /// What it returned, or its panic.
    output: Mutex<Option<thread::Result<F::Output>>>,
}

impl<F: Future> Elsewhere<F> {
    fn new(occupant: &Occupant) -> Self {
        Self {
            seat: Arc::clone(&occupant.seat),
            _lane: Arc::clone(&occupant.lane),
            runtime: Handle::try_current().ok(),
            future: Mutex::new(None),
            output: Mutex::new(None),
        }
    }

    /// Returns what the future returned, when it has ended.
    fn poll_output(&self, task: &Waker) -> Poll<F::Output> {
        self.seat.set_task(task); // first, so that an end after the look below wakes it
        let output = lock(&self.output).take();
        match output {
            None => Poll::Pending,
            Some(Ok(output)) => Poll::Ready(output),
            Some(Err(panic)) => resume_unwind(panic),
        }
    }
}

impl<F> Moved for Elsewhere<F>
where
    F: Future + Send,
    F::Output: Send,
{
    fn poll(&self) -> Next {
        let Some(turn) = self.seat.begin_moved() else { return Next::default() };
        let _entered = self.runtime.as_ref().map(Handle::enter);
        let mut held = lock(&self.future);
        let Some(future) = &mut *held else { return turn.complete() };
        let waker = Waker::from(Arc::clone(&self.seat));
        let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
        let output = match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Pending) => {
                drop(held);
                return turn.end_moved();
            }
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        *held = None;
        *lock(&self.output) = Some(output);
        turn.complete()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The future's hold on its seat.
struct Occupant {
    seat: Arc<Seat>,
    /// Keeps the lane's key in the turns valid.
    lane: Arc<Lane>,
}

impl Occupant {
    fn new(lane: Arc<Lane>, start: Start) -> Self {
        let seat = Seat::new(Arc::clone(lane.turns()), lane.turns_key(), start);
        Self { seat: Arc::new(seat), lane }
    }
}

impl Drop for Occupant {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::fairness::{Fairness, Share};

    const SHARE: Share = Share { weight: 1, concurrent: 1, queue: 1 };

    /// A task by hand: it counts how often it is woken, and its future how often it is polled.
    struct Task {
        future: Pin<Box<dyn Future<Output = ()> + Send>>,
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
        fn new(
            lane: &Arc<Lane>,
            mut step: impl FnMut(&Waker) -> Poll<()> + Send + 'static,
        ) -> Self {
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
    fn while_computing(lane: &Arc<Lane>, mut during: impl FnMut() + Send + 'static) {
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
        let task = Arc::new(Mutex::new(task));
        let (woken, lane) = (Arc::clone(&task), Arc::clone(&other));
        while_computing(&busy, move || {
            let mut task = woken.lock().unwrap();
            task.wake();
            assert!(task.poll().is_pending(), "a task that is polled all the same");
            task.wake();
            assert_eq!(task.counts(), (1, 0), "neither woken nor polled without a turn");
            assert_eq!(lane.waiting_to_compute(), 1);
        });
        let mut task = task.lock().unwrap();
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
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let (queued, lane) = (Arc::clone(&tasks), Arc::clone(&other));
        while_computing(&busy, move || {
            let mut tasks: Vec<_> = (0..3).map(|_| Task::waiting(&lane)).collect();
            assert!(tasks.iter_mut().all(|task| task.poll().is_pending()));
            tasks.remove(0); // waits
            assert_eq!(lane.waiting_to_compute(), 2);
            *queued.lock().unwrap() = tasks;
        });
        let mut tasks = tasks.lock().unwrap();
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
        while_computing(&lane, move || thread::sleep(time));
        assert!(lane.computed() >= time);
    }

    /// Computes for as long as delays others.
    fn compute_for_long() {
        thread::sleep(Duration::from_millis(4));
    }

    fn thread_name() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn what_computes_for_long_goes_on_on_a_thread_in_the_context_of_the_runtime() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let running = lane.compute(async {
            let first = thread_name();
            for _ in 0..2 {
                compute_for_long();
                tokio::task::yield_now().await;
            }
            let second = thread_name();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let joined = tokio::spawn(async { thread_name() }).await.unwrap();
            (first, second, thread_name(), joined)
        });
        let (first, second, third, joined) = running.await;
        assert_ne!(first, "computing");
        assert_eq!((second.as_str(), third.as_str()), ("computing", "computing"));
        assert_eq!(joined, first, "other tasks stay with the runtime");
        assert_eq!((fairness.computing(), lane.waiting_to_compute()), (0, 0));
        assert!(lane.computed() >= Duration::from_millis(4));
    }

    #[tokio::test]
    async fn the_next_activations_of_a_lane_that_computes_for_long_begin_on_a_thread() {
        let fairness = Fairness::new(4, 2);
        let lane = fairness.lane("a", SHARE);
        for _ in 0..16 {
            lane.compute(async { compute_for_long() }).await;
        }
        let names = (0..2).map(|_| lane.compute(async { thread_name() }));
        let names = futures::future::join_all(names).await;
        assert!(names.iter().all(|name| name == "computing"), "{names:?}");
        assert_eq!((fairness.computing(), lane.waiting_to_compute()), (0, 0));
    }

    #[tokio::test]
    async fn what_is_known_to_compute_for_long_begins_on_a_thread() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        assert_eq!(lane.compute_for_long(async { thread_name() }).await, "computing");
        assert_ne!(lane.compute(async { thread_name() }).await, "computing");
    }

    #[tokio::test]
    async fn a_panic_on_a_thread_is_one_of_the_task() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let running =
            lane.compute_for_long(async { resume_unwind(Box::new("a panic on a thread")) });
        let running: tokio::task::JoinHandle<()> = tokio::spawn(running);
        let panic = running.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"a panic on a thread"));
        assert_eq!(fairness.computing(), 0);
        assert_eq!(lane.compute(async { 1 }).await, 1, "the thread and its turn are free again");
    }

    #[tokio::test]
    async fn what_is_dropped_while_a_thread_polls_it_ends_with_that_poll() {
        let fairness = Fairness::new(1, 1);
        let lane = fairness.lane("a", SHARE);
        let held = Arc::new(());
        let (polled, inside) = (Arc::<AtomicUsize>::default(), Arc::clone(&held));
        let counted = Arc::clone(&polled);
        let running = tokio::spawn(lane.compute(async move {
            let _inside = inside;
            loop {
                counted.fetch_add(1, Ordering::SeqCst);
                compute_for_long();
                tokio::task::yield_now().await;
            }
        }));
        while polled.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        let until = Instant::now() + Duration::from_secs(10);
        while Arc::strong_count(&held) > 1 || fairness.computing() > 0 {
            assert!(Instant::now() < until, "it is still there");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let polls = polled.load(Ordering::SeqCst);
        assert_eq!(lane.compute(async { 1 }).await, 1);
        assert_eq!(polled.load(Ordering::SeqCst), polls);
    }
}
