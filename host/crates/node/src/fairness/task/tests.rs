use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use keynet_base::scheduling::processor_time;
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
    compute(Duration::from_millis(4));
}

pub(super) fn compute(time: Duration) {
    let begun = processor_time().unwrap();
    while processor_time().unwrap() - begun < time {}
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
        compute(Duration::from_millis(1));
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
        let first = with_current(|task| task.state().began.time());
        compute_for_long();
        make_way().await;
        (first, with_current(|task| task.state().began.time()))
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
