//! Private memory of a loaded action and of an activation: `tests/bench memory`.
//!
//! Prints the private bytes of `/proc/self/smaps_rollup` before and after. Measures no time, so it
//! does not use criterion.

#![allow(clippy::expect_used)] // a failed benchmark panics

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keynet_host::engine::AotCache;
use keynet_host::{LogSink, Stream};
use support::{guest, host, request};

const ACTIVATIONS: u32 = 1000;

/// Counter of activations that have written their first line.
#[derive(Default)]
struct Started(AtomicUsize);

impl LogSink for Started {
    fn line(&self, _: Stream, _: &[u8]) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Returns the bytes that no other process shares.
fn private() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("smaps_rollup");
    let kib = |line: &str| {
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0)
    };
    rollup.lines().filter(|line| line.starts_with("Private_")).map(kib).sum::<u64>() * 1024
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let cached = || host(ACTIVATIONS, Some(AotCache::new(folder.path(), [7; 32], 1 << 30)));
    let (hello, sleeper) = (guest("hello"), guest("hostile"));
    // Compiled once, by a host that is dropped before the measurement begins.
    runtime.block_on(async {
        let compiling = cached();
        compiling.load(&hello).await.expect("hello");
        compiling.load(&sleeper).await.expect("hostile");
    });

    let host = cached();
    let before = private();
    let mut loaded = Vec::new();
    for copy in 0..20_u8 {
        // A custom section makes each copy a different component, so that nothing is shared.
        let mut component = hello.clone();
        component.extend([0, 3, 1, b'n', copy]);
        loaded.push(runtime.block_on(host.load(&component)).expect("hello"));
    }
    println!(
        "{:>8.1} KiB private for each of {} loaded actions (hello)",
        (private() - before) as f64 / 1024.0 / loaded.len() as f64,
        loaded.len()
    );

    let action = Arc::new(runtime.block_on(host.load(&sleeper)).expect("hostile"));
    let started = Arc::new(Started::default());
    let before = private();
    for _ in 0..ACTIVATIONS {
        let request = request(r#"{"do": "say-and-sleep"}"#, started.clone());
        let action = action.clone();
        runtime.spawn(async move { action.run(request).await });
    }
    while started.0.load(Ordering::Relaxed) < ACTIVATIONS as usize {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!(
        "{:>8.1} KiB private for each of {ACTIVATIONS} activations parked in a host call",
        (private() - before) as f64 / 1024.0 / f64::from(ACTIVATIONS)
    );
    runtime.shutdown_background();
}
