//! Many activations of several lanes at a time, with wake-ups from other tasks, panics and
//! cancellations at random moments.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Fairness, Lane, Refused, Share};

const SLOTS: usize = 20;
const COMPUTING: usize = 2;
const PANIC: &str = "a guest that panics";

#[derive(Default)]
struct Counts {
    polled: AtomicUsize,
    most_polled: AtomicUsize,
    completed: AtomicUsize,
}

impl Counts {
    /// Counts the polls of a future that are under way at a time.
    async fn watch(self: Arc<Self>, future: impl Future<Output = ()>) {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _polled = Polled::begin(&self);
            future.as_mut().poll(context)
        })
        .await;
    }
}

struct Polled<'a>(&'a Counts);

impl<'a> Polled<'a> {
    fn begin(counts: &'a Counts) -> Self {
        let polled = counts.polled.fetch_add(1, Ordering::SeqCst) + 1;
        counts.most_polled.fetch_max(polled, Ordering::SeqCst);
        Self(counts)
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.polled.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a guest does, at random: compute, yield, wait for a timer or for another task, panic.
async fn work(steps: usize) {
    for _ in 0..steps {
        match fastrand::u32(..200) {
            0 => resume_unwind(Box::new(PANIC)), // without a message on stderr
            1..=40 => tokio::time::sleep(Duration::from_micros(fastrand::u64(..2000))).await,
            41..=100 => {
                let (sender, receiver) = oneshot::channel();
                tokio::spawn(async move { sender.send(()) });
                receiver.await.unwrap();
            }
            101..=150 => tokio::task::yield_now().await,
            number => {
                // Now and then for as long as moves it to the threads.
                let most = if number < 154 { 5000 } else { 100 };
                let until = Instant::now() + Duration::from_micros(fastrand::u64(..most));
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            }
        }
    }
}

async fn activation(lane: Arc<Lane>, counts: Arc<Counts>) {
    let deadline = Instant::now() + Duration::from_millis(fastrand::u64(..50));
    let deadline = fastrand::bool().then_some(deadline);
    match lane.slot(deadline).await {
        Err(refused) => assert_eq!(refused, Refused::Late),
        Ok(_slot) => {
            let work = Arc::clone(&counts).watch(work(fastrand::usize(..10)));
            let (ended, end) = oneshot::channel();
            lane.spawn(async move {
                work.await;
                let _ = ended.send(());
            });
            if end.await.is_err() {
                resume_unwind(Box::new(PANIC));
            }
            counts.completed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_activation_ends_and_none_leaves_a_slot_or_a_turn_behind() {
    let fairness = Fairness::new(SLOTS, COMPUTING);
    let share = |weight| Share { weight, concurrent: SLOTS - 4, queue: 10_000 };
    let lanes = [1, 2, 5].map(|weight| fairness.lane(&weight.to_string(), share(weight)));
    let counts = Arc::<Counts>::default();
    let mut activations: Vec<JoinHandle<()>> = Vec::new();
    for index in 0..4000 {
        let lane = &lanes[fastrand::usize(..lanes.len())];
        activations.push(tokio::spawn(activation(Arc::clone(lane), Arc::clone(&counts))));
        if index % 3 == 0 {
            activations[fastrand::usize(..activations.len())].abort();
        }
        if index % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            lane.set_share(Share { concurrent: fastrand::usize(1..SLOTS), ..share(3) });
        }
    }
    for activation in activations {
        let ended = tokio::time::timeout(Duration::from_secs(60), activation).await;
        match ended.expect("an activation was never polled again") {
            Err(error) if error.is_panic() => {
                let panic = error.into_panic();
                assert_eq!(panic.downcast_ref(), Some(&PANIC), "another panic");
            }
            _ => {}
        }
    }
    assert!(counts.completed.load(Ordering::Relaxed) > 500);
    assert!(counts.most_polled.load(Ordering::SeqCst) <= COMPUTING + 1);
    assert_eq!((fairness.free_slots(), fairness.computing()), (SLOTS, 0));
    for lane in lanes {
        let left = (lane.running(), lane.waiting(), lane.waiting_to_compute());
        assert_eq!(left, (0, 0, 0), "{}", lane.name());
        assert!(lane.computed() > Duration::ZERO);
    }
}
