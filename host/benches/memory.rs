//! Private memory of a loaded action and of an activation: `tests/bench memory`.
//!
//! Prints what `/proc/self/smaps_rollup` counts as private before and after: not a timing, so not criterion.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keynet_host::engine::{AotCache, Compiler, Engine, EngineOptions};
use keynet_host::policy::Policy;
use keynet_host::{Action, ActivationRequest, Config, Error, Host, LogSink, Parameters, Stream};

const ACTIVATIONS: u32 = 1000;

/// Counts activations that have written their first line.
#[derive(Default)]
struct Started(AtomicUsize);

impl LogSink for Started {
    fn line(&self, _: Stream, _: &[u8]) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn guest(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("KEYNET_GUESTS").map_or_else(|| PathBuf::from("../target/guests"), PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run tests/build-guests", path.display()))
}

/// Bytes that no other process shares.
fn private() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("smaps_rollup");
    let kib = |line: &str| line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    rollup.lines().filter(|line| line.starts_with("Private_")).map(kib).sum::<u64>() * 1024
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let host = || {
        let config = Config::from_origins(vec![]).expect("the defaults");
        let cache = Some(AotCache::new(folder.path(), [7; 32]));
        let engine = Engine::new(EngineOptions { activations: ACTIVATIONS, compiler: Compiler::InProcess, cache }).expect("an engine");
        let none = || Error::unavailable("the benchmark has none");
        Arc::new(Host::with(engine, Err(none()), Err(none()), Policy::local(), &config).expect("a host"))
    };
    let (hello, sleeper) = (guest("hello"), guest("hostile"));
    // Compiled once, by a host that is gone before anything is measured.
    runtime.block_on(async {
        let compiling = host();
        Action::load(compiling.clone(), &hello).await.expect("hello");
        Action::load(compiling, &sleeper).await.expect("hostile");
    });

    let host = host();
    let before = private();
    let mut loaded = Vec::new();
    for copy in 0..20_u8 {
        // A section that nobody reads makes each another component, so that nothing is shared.
        let mut component = hello.clone();
        component.extend([0, 3, 1, b'n', copy]);
        loaded.push(runtime.block_on(Action::load(host.clone(), &component)).expect("hello"));
    }
    println!(
        "{:>8.1} KiB private for each of {} loaded actions (hello)",
        (private() - before) as f64 / 1024.0 / loaded.len() as f64,
        loaded.len()
    );

    let action = Arc::new(runtime.block_on(Action::load(host, &sleeper)).expect("hostile"));
    let started = Arc::new(Started::default());
    let before = private();
    for _ in 0..ACTIVATIONS {
        let request = ActivationRequest {
            parameters: Parameters::parse(r#"{"do": "say-and-sleep"}"#).expect("parameters"),
            environment: Vec::new(),
            deadline: Instant::now() + Duration::from_secs(600),
            logs: started.clone(),
        };
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
