//! Cost of the container's process over its port, side by side with a plain echo server:
//! `tests/bench openwhisk`.
//!
//! Both are processes of their own, serve the same request, write both ends of an activation's logs
//! to pipes that are read, and are loaded by `wrk` on the same machine. The echo server is axum,
//! which parses the body as JSON and returns its `value`: the cost of HTTP alone.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)] // a failed benchmark panics

#[path = "support/echo.rs"]
mod echo;
#[path = "support/server.rs"]
mod server;
#[path = "support/wrk.rs"]
mod wrk;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use server::{Caches, Caller, Kind, Server, post};

/// Number of measurements of operations that happen once in a container's life.
const TIMES: usize = 21;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, port] = arguments.as_slice()
        && role == echo::ROLE
    {
        return echo::serve(port.parse().expect("a port"));
    }
    let hello = guest("hello");
    let caches = Caches::new();
    starting(&hello, &caches);
    warm(&hello, &caches);
    pausing(&["hello", "hello-python", "parity-spidermonkey"], &caches);
    overlapping(&guest("contract"), &caches);
}

/// Returns a component in the form that `/init` receives.
fn guest(name: &str) -> String {
    use base64::Engine as _;
    let folder = std::env::var_os("KEYNET_GUESTS")
        .map_or_else(|| PathBuf::from("../target/guests"), PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run tests/build-guests", path.display()));
    let code = base64::prelude::BASE64_STANDARD.encode(bytes);
    format!(
        r#"{{"value":{{"name":"{name}","main":"main","binary":true,"code":"{code}","env":{{}}}}}}"#
    )
}

/// Measures the time from the start of the process to an action that can be run.
fn starting(hello: &str, caches: &Caches) {
    let (mut open, mut cached, mut first, mut uncached) = (vec![], vec![], vec![], vec![]);
    let (mut memory_cached, mut memory_uncached) = (vec![], vec![]);
    let init = |server: &Server| {
        let started = Instant::now();
        assert_eq!(post(server.port(), "/init", hello).0, 200);
        started.elapsed()
    };
    let run = |server: &Server| assert_eq!(post(server.port(), "/run", wrk::REQUEST).0, 200);
    run(&{
        let server = Server::start(Kind::Runtime, &caches.warm, false);
        init(&server);
        server
    }); // fills the cache
    for _ in 0..TIMES {
        // A stem cell container: its process started some time before.
        let server = Server::start(Kind::Runtime, &caches.warm, false);
        open.push(server.opened_after());
        std::thread::sleep(Duration::from_millis(300));
        cached.push(init(&server));
        run(&server);
        memory_cached.push(server.private_mib());
        drop(server);
        // A cold start: from no process to the first response.
        let server = Server::start(Kind::Runtime, &caches.warm, false);
        init(&server);
        run(&server);
        first.push(server.started().elapsed());
        drop(server);
        let cold = caches.cold();
        let server = Server::start(Kind::Runtime, &cold, false);
        std::thread::sleep(Duration::from_millis(300));
        uncached.push(init(&server));
        run(&server);
        memory_uncached.push(server.private_mib());
    }
    println!("{:>10.2} ms  start to open port (aim 10)", median_ms(open));
    println!(
        "{:>10.2} ms  /init of a Rust action whose code is cached, in a container that waits (aim \
            5)",
        median_ms(cached)
    );
    println!("{:>10.2} ms  start to the first answer of that action", median_ms(first));
    println!(
        "{:>10.2} ms  /init of the same where nothing is cached: compiled in a child process (aim \
            150)",
        median_ms(uncached)
    );
    println!("{:>10.1} MiB private after /init and one /run (aim 20)", median(memory_cached));
    println!("{:>10.1} MiB private where it was compiled too (aim 20)", median(memory_uncached));
}

/// Measures a request to an initialised container.
fn warm(hello: &str, caches: &Caches) {
    let serial = Server::start(Kind::Runtime, &caches.warm, false);
    let concurrent = Server::start(Kind::Runtime, &caches.warm, true);
    let echo = Server::start(Kind::Echo, &caches.warm, false);
    for server in [&serial, &concurrent] {
        assert_eq!(post(server.port(), "/init", hello).0, 200);
    }
    for (connections, ours) in
        [(1, &serial), (1, &concurrent), (64, &concurrent), (512, &concurrent)]
    {
        // In turns, so that both meet the same machine load.
        let rounds: Vec<_> = (0..3)
            .map(|_| (wrk::load(echo.port(), connections), wrk::load(ours.port(), connections)))
            .collect();
        let of = |figure: fn(&wrk::Load) -> f64, ours: bool| {
            median(rounds.iter().map(|(echo, own)| figure(if ours { own } else { echo })).collect())
        };
        let (echo_p50, own_p50) = (of(|load| load.p50_us, false), of(|load| load.p50_us, true));
        let (echo_rate, own_rate) =
            (of(|load| load.per_second, false), of(|load| load.per_second, true));
        let mode =
            if std::ptr::eq(ours, &raw const serial) { "one at a time" } else { "overlapping" };
        println!(
            "{connections:>4} connections, {mode}: /run hello p50 {own_p50:.0} µs, echo \
                {echo_p50:.0} µs ({:+.0} µs)",
            own_p50 - echo_p50
        );
        println!(
            "{:>4}              {own_rate:.0} /s, echo {echo_rate:.0} /s ({:.2} of it); p99 {:.0} µs",
            "",
            own_rate / echo_rate,
            of(|load| load.p99_us, true)
        );
    }
    println!(
        "aims: 1 connection: 1.3 times the echo; 64: 0.6 of its rate; 512: 0.85 of our own at 64"
    );
    println!("{:>10.1} MiB private after all that", concurrent.private_mib());
}

/// Measures a caller that comes alone and pauses: its activation has a spare.
fn pausing(guests: &[&str], caches: &Caches) {
    const CALLS: usize = 300;
    for name in guests {
        let server = Server::start(Kind::Runtime, &caches.warm, false);
        assert_eq!(post(server.port(), "/init", &guest(name)).0, 200);
        let mut caller = Caller::new(server.port());
        let body =
            if name.starts_with("parity") { r#"{"value":{"do":"echo"}}"# } else { wrk::REQUEST };
        let times = (0..CALLS).map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            caller.run(body).as_secs_f64() * 1e6
        });
        println!(
            "{:>10.0} µs  /run {name}, alone, with pauses of 10 ms (p50)",
            median(times.collect())
        );
    }
}

/// Measures activations that wait at the same time.
fn overlapping(contract: &str, caches: &Caches) {
    const COUNT: usize = 128;
    let server = Server::start(Kind::Runtime, &caches.warm, true);
    assert_eq!(post(server.port(), "/init", contract).0, 200);
    let body = r#"{"value":{"do":"sleep","ms":1500}}"#;
    assert_eq!(post(server.port(), "/run", r#"{"value":{"do":"sleep","ms":1}}"#).0, 200);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..COUNT {
            scope.spawn(|| assert_eq!(post(server.port(), "/run", body).0, 200));
        }
    });
    println!(
        "{:>10.2} s   {COUNT} activations that sleep 1.5 s, all at once (aim 2.5)",
        started.elapsed().as_secs_f64()
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn median_ms(times: Vec<Duration>) -> f64 {
    median(times.into_iter().map(|time| time.as_secs_f64() * 1000.0).collect())
}
