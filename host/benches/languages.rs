//! Cost of actions by language: `tests/bench languages`. Prints a table for `docs/languages.md`;
//! does not use criterion, since most rows happen once in a container's life. Arguments name the
//! guests to measure; all are measured if there are none.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // a failed benchmark panics

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keynet_host::Host;
use keynet_host::LogSink;
use keynet_host::Stream;
use keynet_host::engine::AotCache;
use support::{guest, host, request};
use tokio::runtime::Runtime;

/// Pairs of a small action and of one that reads, resizes and draws pictures, in each language.
const GUESTS: [&str; 12] = [
    "hello",
    "hello-c",
    "hello-cpp",
    "hello-go",
    "hello-python",
    "hello-typescript",
    "hello-spidermonkey",
    "image-detection",
    "image-detection-cpp",
    "image-detection-go",
    "image-detection-python",
    "image-detection-typescript",
];
/// Actions that can wait in a host call.
const SLEEPERS: [&str; 7] = [
    "parity-rust",
    "parity-c",
    "parity-cpp",
    "parity-go",
    "parity-js",
    "parity-python",
    "parity-spidermonkey",
];
const IN_FLIGHT: u32 = 32;
const LOADS: usize = 11;
const RUNS: usize = 301;

/// Counter of activations that have written a line.
#[derive(Default)]
struct Lines(AtomicUsize);

impl LogSink for Lines {
    fn line(&self, _: Stream, _: &[u8]) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// First argument of the process that compiles the guest named by the second.
const COMPILES: &str = "compiles";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, name] = arguments.as_slice()
        && role == COMPILES
    {
        return compile(name);
    }
    // `cargo bench` adds a flag.
    let named: Vec<&String> = arguments[1..].iter().filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|one| *one == name);
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let cached = || host(128, Some(AotCache::new(folder.path(), [7; 32], 4 << 30)));
    for name in GUESTS.into_iter().filter(|name| wanted(name)) {
        println!("{name}");
        let component = guest(name);
        row("component", component.len() as f64 / 1e6, "MB");
        let load = |host: Arc<Host>| runtime.block_on(host.load(&component)).expect("an action");

        compiling(name);
        drop(load(cached()));

        let own = cached();
        let loads = (0..LOADS).map(|_| timed(|| load(own.clone())));
        row("load from the cache", median(loads.collect()), "ms");

        let own = cached();
        let before = private();
        let action = load(own);
        row("private memory of one that is loaded", mib(private().saturating_sub(before)), "MiB");
        if name.starts_with("hello") {
            let run = || {
                runtime
                    .block_on(action.run(request(r#"{"name": "Ada"}"#, Arc::new(Lines::default()))))
            };
            row("first activation", timed(run), "ms");
            let mut starts = Vec::new();
            let runs = (0..RUNS).map(|_| {
                timed(|| {
                    let outcome = run();
                    starts.push(outcome.receipt.instantiate_ns as f64 / 1e6);
                    outcome.result.expect("a greeting")
                })
            });
            let runs: Vec<f64> = runs.collect();
            row(
                "warm activation, the fastest",
                runs.iter().copied().fold(f64::INFINITY, f64::min),
                "ms",
            );
            row("warm activation", median(runs), "ms");
            row("of it a fresh instance", median(starts), "ms");
        }
    }
    for name in SLEEPERS.into_iter().filter(|name| wanted(name)) {
        println!("{name}");
        let action = Arc::new(runtime.block_on(cached().load(&guest(name))).expect("an action"));
        let lines = Arc::new(Lines::default());
        let before = private();
        for _ in 0..IN_FLIGHT {
            let (request, action) = (request(r#"{"do": "sleep"}"#, lines.clone()), action.clone());
            runtime.spawn(async move { action.run(request).await });
        }
        while lines.0.load(Ordering::Relaxed) < IN_FLIGHT as usize {
            std::thread::sleep(Duration::from_millis(10));
        }
        row(
            "private memory of one in flight",
            mib(private().saturating_sub(before)) / f64::from(IN_FLIGHT),
            "MiB",
        );
    }
    runtime.shutdown_background();
}

/// Compiles a guest in a process of its own, and prints its time and memory.
fn compiling(name: &str) {
    let process = std::env::current_exe().expect("this process");
    let output =
        std::process::Command::new(process).args([COMPILES, name]).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> =
        text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    assert_eq!(numbers.len(), 3, "{output:?}");
    row("compiling", numbers[0], "s");
    row("of it processor time", numbers[1], "s");
    row("its peak in memory", numbers[2], "MiB");
}

/// Prints seconds, seconds of processor time, and the peak in MiB.
fn compile(name: &str) {
    let component = guest(name);
    let began = Instant::now();
    let runtime = Runtime::new().expect("a runtime");
    drop(runtime.block_on(host(1, None).load(&component)).expect("an action"));
    println!(
        "{} {} {}",
        began.elapsed().as_secs_f64(),
        processor_seconds(),
        mib(sum("/proc/self/status", "VmHWM:"))
    );
}

/// Returns the processor time of this process in seconds, from its user and system ticks, of which
/// there are 100 in a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a file of the kernel");
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn row(what: &str, value: f64, unit: &str) {
    println!("  {what:<40} {value:>9.2} {unit}");
}

/// Returns the milliseconds that `work` takes, including the drop of its result.
fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let began = Instant::now();
    drop(work());
    began.elapsed().as_secs_f64() * 1e3
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Returns the bytes that no other process shares.
fn private() -> u64 {
    sum("/proc/self/smaps_rollup", "Private_")
}

fn sum(file: &str, start: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("a file of the kernel");
    let kib = |line: &str| {
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0)
    };
    text.lines().filter(|line| line.starts_with(start)).map(kib).sum::<u64>() * 1024
}
