//! What an activation costs besides the work of its guest: `tests/bench activation`.
//!
//! Guests are those of `tests/build-guests`; they are compiled in this process.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use keynet_host::engine::{AotCache, Compiler, Engine, EngineOptions};
use keynet_host::policy::Policy;
use keynet_host::{Action, ActivationRequest, Config, Error, Host, LogSink, Parameters, Stream};
use tokio::runtime::Runtime;

struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Stream, line: &[u8]) {
        black_box(line);
    }
}

fn guest(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("KEYNET_GUESTS").map_or_else(|| PathBuf::from("../target/guests"), PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run tests/build-guests", path.display()))
}

fn host(cache: Option<AotCache>) -> Arc<Host> {
    let config = Config::from_origins(vec![]).expect("the defaults");
    let engine = Engine::new(EngineOptions { activations: 128, compiler: Compiler::InProcess, cache }).expect("an engine");
    let none = || Error::unavailable("the benchmark has none");
    Arc::new(Host::with(engine, Err(none()), Err(none()), Policy::local(), &config).expect("a host"))
}

fn request() -> ActivationRequest {
    ActivationRequest {
        parameters: Parameters::parse(r#"{"name": "Ada"}"#).expect("parameters"),
        environment: Vec::new(),
        deadline: Instant::now() + Duration::from_secs(60),
        logs: Arc::new(Nowhere),
    }
}

fn activation(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let action = runtime.block_on(Action::load(host(None), &guest("hello"))).expect("hello");
    criterion.bench_function("hello/instantiate", |bencher| {
        // From the linked component to the guest's first instruction: the store, its limits, the instance.
        bencher.to_async(&runtime).iter_custom(|times| {
            let action = &action;
            async move {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    spent += Duration::from_nanos(action.run(request()).await.receipt.instantiate_ns);
                }
                spent
            }
        });
    });
    criterion.bench_function("hello/activation", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let outcome = action.run(request()).await;
            serde_json::from_str::<serde_json::Value>(&outcome.result.expect("a greeting")).expect("JSON")
        });
    });
}

fn load(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let host = host(Some(AotCache::new(folder.path(), [7; 32])));
    let component = guest("hello");
    criterion.bench_function("hello/load", |bencher| {
        bencher.to_async(&runtime).iter(|| async { Action::load(host.clone(), &component).await.expect("hello") });
    });
}

criterion_group!(benches, activation, load);
criterion_main!(benches);
