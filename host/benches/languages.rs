//! What actions cost by their language: `tests/bench languages`. Prints a table for `docs/languages.md`: not criterion, since most rows are
//! done once in a container's life.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // a benchmark that cannot go on panics

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keynet_host::engine::AotCache;
use keynet_host::{Action, Host, LogSink, Stream};
use support::{guest, host, request};
use tokio::runtime::Runtime;

/// Pairs of a small action and of one that reads, resizes and draws pictures, in each language.
const GUESTS: [&str; 4] = ["hello", "hello-python", "image-detection", "image-detection-python"];
/// Actions that can wait in a host call.
const SLEEPERS: [&str; 2] = ["parity-rust", "parity-python"];
const IN_FLIGHT: u32 = 32;
const LOADS: usize = 11;
const RUNS: usize = 301;

/// Counts activations that have written a line.
#[derive(Default)]
struct Lines(AtomicUsize);

impl LogSink for Lines {
    fn line(&self, _: Stream, _: &[u8]) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let cached = || host(128, Some(AotCache::new(folder.path(), [7; 32], 4 << 30)));
    for name in GUESTS {
        println!("{name}");
        let component = guest(name);
        row("component", component.len() as f64 / 1e6, "MB");
        let load = |host: Arc<Host>| runtime.block_on(Action::load(host, &component)).expect("an action");

        std::fs::write("/proc/self/clear_refs", "5").expect("the peak");
        let (before, began) = (status("VmRSS:"), Instant::now());
        drop(load(cached()));
        row("load, compiled now", began.elapsed().as_secs_f64(), "s");
        row("its peak in memory", mib(status("VmHWM:").saturating_sub(before)), "MiB");

        let own = cached();
        let loads = (0..LOADS).map(|_| timed(|| load(own.clone())));
        row("load from the cache", median(loads.collect()), "ms");

        let own = cached();
        let before = private();
        let action = load(own);
        row("private memory of one that is loaded", mib(private().saturating_sub(before)), "MiB");
        if name.starts_with("hello") {
            let run = || runtime.block_on(action.run(request(r#"{"name": "Ada"}"#, Arc::new(Lines::default()))));
            row("first activation", timed(run), "ms");
            let mut starts = Vec::new();
            let runs = (0..RUNS).map(|_| {
                timed(|| {
                    let outcome = run();
                    starts.push(outcome.receipt.instantiate_ns as f64 / 1e6);
                    outcome.result.expect("a greeting")
                })
            });
            row("warm activation", median(runs.collect()), "ms");
            row("of it a fresh instance", median(starts), "ms");
        }
    }
    for name in SLEEPERS {
        println!("{name}");
        let action = Arc::new(runtime.block_on(Action::load(cached(), &guest(name))).expect("an action"));
        let lines = Arc::new(Lines::default());
        let before = private();
        for _ in 0..IN_FLIGHT {
            let (request, action) = (request(r#"{"do": "sleep"}"#, lines.clone()), action.clone());
            runtime.spawn(async move { action.run(request).await });
        }
        while lines.0.load(Ordering::Relaxed) < IN_FLIGHT as usize {
            std::thread::sleep(Duration::from_millis(10));
        }
        row("private memory of one in flight", mib(private().saturating_sub(before)) / f64::from(IN_FLIGHT), "MiB");
    }
    runtime.shutdown_background();
}

fn row(what: &str, value: f64, unit: &str) {
    println!("  {what:<40} {value:>9.2} {unit}");
}

/// Milliseconds that `work` takes, with the end of what it returns.
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

/// A size in `/proc/self/status`, in bytes.
fn status(name: &str) -> u64 {
    sum("/proc/self/status", name)
}

/// Bytes that no other process shares.
fn private() -> u64 {
    sum("/proc/self/smaps_rollup", "Private_")
}

fn sum(file: &str, start: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("a file of the kernel");
    let kib = |line: &str| line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    text.lines().filter(|line| line.starts_with(start)).map(kib).sum::<u64>() * 1024
}
