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

/// Response times of requests on one connection, about 2 ms apart, in order of length: 1000, or as
/// many as there are in 2 s.
fn request(address: SocketAddr) -> Vec<Duration> {
    let mut connection = TcpStream::connect(address).expect("a connection");
    connection.set_nodelay(true).expect("a socket");
    let end = Instant::now() + Duration::from_secs(2);
    let mut times = Vec::new();
    while times.len() < 1000 && Instant::now() < end {
        std::thread::sleep(Duration::from_micros(fastrand::u64(500..3500)));
        let began = Instant::now();
        connection.write_all(b"x").expect("a server");
        connection.read_exact(&mut [0]).expect("an answer");
        times.push(began.elapsed());
    }
    times.sort();
    times
}

/// Arrangement of runtimes, workers and turns.
#[derive(Default)]
struct Arrangement {
    name: &'static str,
    workers: usize,
    /// Turns; `None` without lanes.
    computing: Option<usize>,
    /// Whether connections have a runtime of their own with one worker.
    connections_apart: bool,
    /// Workers of a runtime with nice value 10 for the loops; 0 for none.
    niced: usize,
}

fn runtime(workers: usize, nice: i32) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(workers)
        .on_thread_start(move || {
            if nice > 0 {
                // Without a process it is the calling thread whose priority is set.
                rustix::process::setpriority_process(None, nice).expect("a lower priority");
            }
        })
        .enable_all()
        .build()
        .expect("a runtime")
}

fn response_times(arrangement: &Arrangement, loops: usize) -> Vec<Duration> {
    let guests = runtime(arrangement.workers, 0);
    let connections = arrangement.connections_apart.then(|| runtime(1, 0));
    let niced = (arrangement.niced > 0).then(|| runtime(arrangement.niced, 10));
    let fairness = arrangement.computing.map(|computing| Fairness::new(4000, computing));
    let lane = |name| fairness.as_ref().map(|fairness| fairness.lane(name, SHARE));
    let (busy, quiet) = (lane("busy"), lane("quiet"));

    let front = connections.as_ref().unwrap_or(&guests);
    let back = niced.as_ref().unwrap_or(&guests);
    let listener = front.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    front.spawn(serve(listener, quiet, guests.handle().clone()));
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..loops {
        let work = guest_loop(Arc::clone(&stop));
        match &busy {
            Some(busy) => back.spawn(busy.compute(work)),
            None => back.spawn(work),
        };
    }
    std::thread::sleep(Duration::from_millis(100));
    let times = request(address);
    stop.store(true, Ordering::Relaxed);
    for runtime in [Some(guests), connections, niced].into_iter().flatten() {
        runtime.shutdown_timeout(Duration::from_secs(10));
    }
    times
}

/// Prints response times of a quiet lane beside 0, 1, 10 and 1000 loops of another lane.
fn neighbours() {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let one = |name, workers, computing| Arrangement { name, workers, computing, ..<_>::default() };
    let arrangements = [
        one("no lanes", cores, None),
        one("turns = workers = cores", cores, Some(cores)),
        one("turns = cores - 1, workers + 1", cores, Some(cores - 1)),
        one("turns = cores, workers + 1", cores + 1, Some(cores)),
        one("turns = cores, workers + 2", cores + 2, Some(cores)),
        Arrangement {
            connections_apart: true,
            ..one("same, connections apart", cores + 1, Some(cores))
        },
        Arrangement { niced: cores, ..one("same, loops with nice 10", cores, Some(cores)) },
    ];
    println!("{:<32}{:>6}{:>12}{:>12}{:>12}", "arrangement", "loops", "p50", "p90", "p99");
    for arrangement in arrangements {
        for loops in [0, 1, 10, 1000] {
            let times = response_times(&arrangement, loops);
            let at = |part: f64| times.get((times.len() as f64 * part) as usize).expect("a time");
            let (p50, p90, p99) = (at(0.5), at(0.9), at(0.99));
            let name = arrangement.name;
            println!("{name:<32}{loops:>6}{p50:>12.1?}{p90:>12.1?}{p99:>12.1?}");
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
