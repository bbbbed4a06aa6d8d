//! Cost of admission without contention, and the response time of a quiet lane beside loops of
//! another: `cargo bench -p keynet-node --bench fairness`.

#![allow(clippy::expect_used, missing_docs)] // a failed benchmark panics

use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use keynet_node::fairness::{Fairness, Lane, Rate, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

const SHARE: Share = Share { weight: 1, concurrent: 2000, queue: 2000 };

fn uncontended(criterion: &mut Criterion) {
    let fairness = Fairness::new(10, 2);
    let lane = fairness.lane("quiet", SHARE);
    let mut task = Context::from_waker(Waker::noop());

    criterion.bench_function("clock/twice", |bencher| {
        bencher.iter(|| black_box(Instant::now()).elapsed());
    });
    criterion.bench_function("compute/poll", |bencher| {
        // The future wakes itself, as a guest at its epoch tick does.
        let mut future = pin!(lane.compute(poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        })));
        bencher.iter(|| future.as_mut().poll(&mut task));
    });
    criterion.bench_function("compute/activation", |bencher| {
        bencher.iter(|| pin!(lane.compute(ready(()))).poll(&mut task));
    });
    criterion.bench_function("slot", |bencher| {
        bencher.iter(|| pin!(lane.slot(None)).poll(&mut task));
    });
    criterion.bench_function("rate", |bencher| {
        let rate = Rate::per_minute(u32::MAX);
        bencher.iter(|| rate.try_take());
    });
}

/// Computes for a time as a guest does, without an await.
fn compute_for(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// A guest that loops: it yields at each epoch tick.
async fn guest_loop(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        compute_for(Duration::from_millis(5));
        let mut yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Answers each byte of a connection by an activation that computes for 50 µs.
async fn serve(listener: TcpListener, lane: Option<Arc<Lane>>, guests: tokio::runtime::Handle) {
    while let Ok((mut connection, _)) = listener.accept().await {
        let (lane, guests) = (lane.clone(), guests.clone());
        tokio::spawn(async move {
            let mut byte = [0];
            while connection.read_exact(&mut byte).await.is_ok() {
                let work = async { compute_for(Duration::from_micros(50)) };
                let done = match &lane {
                    Some(lane) => {
                        let _slot = lane.slot(None).await.expect("a slot");
                        guests.spawn(lane.compute(work)).await
                    }
                    None => guests.spawn(work).await,
                };
                done.expect("no panic");
                connection.write_all(&byte).await.expect("the client reads");
            }
        });
    }
}

/// Response times of `count` requests on one connection, about 2 ms apart, in order of length.
fn request(address: SocketAddr, count: usize) -> Vec<Duration> {
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_nodelay(true).expect("a socket");
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            std::thread::sleep(Duration::from_micros(fastrand::u64(500..3500)));
            let began = Instant::now();
            connection.write_all(b"x").expect("a server");
            connection.read_exact(&mut [0]).expect("an answer");
            began.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime")
}

/// Arrangement of workers and turns.
struct Arrangement {
    name: &'static str,
    workers: usize,
    /// Turns; `None` without lanes.
    computing: Option<usize>,
    /// Whether connections have a runtime of their own with one worker.
    apart: bool,
}

fn response_times(arrangement: &Arrangement, loops: usize) -> Vec<Duration> {
    let guests = runtime(arrangement.workers);
    let connections = arrangement.apart.then(|| runtime(1));
    let fairness = arrangement.computing.map(|computing| Fairness::new(4000, computing));
    let lane = |name| fairness.as_ref().map(|fairness| fairness.lane(name, SHARE));
    let (busy, quiet) = (lane("busy"), lane("quiet"));

    let front = connections.as_ref().unwrap_or(&guests);
    let listener = front.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    front.spawn(serve(listener, quiet, guests.handle().clone()));
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..loops {
        let work = guest_loop(Arc::clone(&stop));
        match &busy {
            Some(busy) => guests.spawn(busy.compute(work)),
            None => guests.spawn(work),
        };
    }
    std::thread::sleep(Duration::from_millis(100));
    let times = request(address, 1000);
    stop.store(true, Ordering::Relaxed);
    guests.shutdown_timeout(Duration::from_secs(10));
    if let Some(connections) = connections {
        connections.shutdown_background();
    }
    times
}

/// Prints response times of a quiet lane beside 0, 1, 10 and 1000 loops of another lane.
fn neighbours() {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let arrangement =
        |name, workers, computing, apart| Arrangement { name, workers, computing, apart };
    println!("{:<34}{:>6}{:>12}{:>12}{:>12}", "arrangement", "loops", "p50", "p99", "max");
    for arrangement in [
        arrangement("no lanes", cores, None, false),
        arrangement("turns = workers = cores", cores, Some(cores), false),
        arrangement("turns = workers - 1", cores, Some(cores - 1), false),
        arrangement("turns = cores, workers + 1", cores + 1, Some(cores), false),
        arrangement("turns = cores, workers + 2", cores + 2, Some(cores), false),
        arrangement("connections apart, workers + 1", cores + 1, Some(cores), true),
    ] {
        for loops in [0, 1, 10, 1000] {
            let times = response_times(&arrangement, loops);
            let at = |part: f64| times.get((times.len() as f64 * part) as usize).expect("a time");
            let longest = times.last().expect("a time");
            let name = arrangement.name;
            println!("{name:<34}{loops:>6}{:>12.1?}{:>12.1?}{longest:>12.1?}", at(0.5), at(0.99));
        }
    }
}

criterion_group!(benches, uncontended);

fn main() {
    benches();
    // `cargo test --benches` only checks that benchmarks run.
    if std::env::args().any(|argument| argument == "--bench") {
        neighbours();
    }
}
