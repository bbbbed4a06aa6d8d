//! Cost of admission and of turns without contention, and the response time of a quiet lane beside
//! loops of another: `cargo bench -p keynet-node --bench fairness`.

#![allow(clippy::expect_used, missing_docs)] // a failed benchmark panics

use std::future::Future;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use keynet_base::crowd::come_last;
use keynet_node::fairness::{Fairness, Lane, Rate, Share};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

const SHARE: Share = Share { weight: 1, concurrent: 2000, queue: 2000 };

fn uncontended(criterion: &mut Criterion) {
    let fairness = Fairness::new(10, 2);
    let lane = fairness.lane("quiet", SHARE);
    let mut task = Context::from_waker(Waker::noop());

    criterion.bench_function("clock/twice", |bencher| {
        bencher.iter(|| black_box(Instant::now()).elapsed());
    });
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    criterion.bench_function("task/in turns", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let (ended, end) = oneshot::channel();
            lane.spawn(async { ended.send(()).expect("a caller that waits") });
            end.await
        });
    });
    criterion.bench_function("task/of the runtime", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let (ended, end) = oneshot::channel();
            tokio::spawn(async { ended.send(()).expect("a caller that waits") });
            end.await
        });
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
        come_last().await;
    }
}

/// Answers each byte of a connection after computing for 50 µs.
async fn serve(listener: TcpListener, lane: Option<Arc<Lane>>) {
    while let Ok((mut connection, _)) = listener.accept().await {
        let answering = async move {
            let mut byte = [0];
            while connection.read_exact(&mut byte).await.is_ok() {
                compute_for(Duration::from_micros(50));
                connection.write_all(&byte).await.expect("the client reads");
            }
        };
        spawn(lane.as_ref(), answering);
    }
}

fn spawn(lane: Option<&Arc<Lane>>, work: impl Future<Output = ()> + Send + 'static) {
    match lane {
        Some(lane) => lane.spawn(work),
        None => drop(tokio::spawn(work)),
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

/// Response times of a quiet lane beside so many loops of another, in turns or without.
fn response_times(cores: usize, in_turns: bool, loops: usize) -> Vec<Duration> {
    let runtime =
        Builder::new_multi_thread().worker_threads(cores).enable_all().build().expect("a runtime");
    let fairness = in_turns.then(|| Fairness::new(4000, cores));
    let lane = |name| fairness.as_ref().map(|fairness| fairness.lane(name, SHARE));
    let (busy, quiet) = (lane("busy"), lane("quiet"));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(serve(listener, quiet));
    let stop = Arc::new(AtomicBool::new(false));
    let entered = runtime.enter();
    for _ in 0..loops {
        spawn(busy.as_ref(), guest_loop(Arc::clone(&stop)));
    }
    drop(entered);
    std::thread::sleep(Duration::from_millis(100));
    let times = request(address);
    stop.store(true, Ordering::Relaxed);
    runtime.shutdown_timeout(Duration::from_secs(10));
    times
}

/// Prints response times of a quiet lane beside 0, 1, 10 and 1000 loops of another lane.
fn neighbours() {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    println!("{:<16}{:>6}{:>12}{:>12}{:>12}", "", "loops", "p50", "p90", "p99");
    for (name, in_turns) in [("without turns", false), ("in turns", true)] {
        for loops in [0, 1, 10, 1000] {
            let times = response_times(cores, in_turns, loops);
            let at = |part: f64| times.get((times.len() as f64 * part) as usize).expect("a time");
            let (p50, p90, p99) = (at(0.5), at(0.9), at(0.99));
            println!("{name:<16}{loops:>6}{p50:>12.1?}{p90:>12.1?}{p99:>12.1?}");
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
