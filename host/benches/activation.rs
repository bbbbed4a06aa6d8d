//! Cost of an activation besides the work of its guest: `tests/bench activation`.

#![allow(clippy::expect_used, missing_docs)] // a failed benchmark panics

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use keynet_host::engine::AotCache;
use keynet_host::{LogSink, Stream};
use support::{guest, host, request};
use tokio::runtime::Runtime;

const ADA: &str = r#"{"name": "Ada"}"#;

struct Nowhere;

impl LogSink for Nowhere {
    fn line(&self, _: Stream, line: &[u8]) {
        black_box(line);
    }
}

fn activation(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let action = runtime.block_on(host(128, None).load(&guest("hello"))).expect("hello");
    let run = || action.run(request(ADA, Arc::new(Nowhere)));
    criterion.bench_function("hello/instantiate", |bencher| {
        // From the linked component to the guest's first instruction: the store, its limits, the
        // instance.
        bencher.to_async(&runtime).iter_custom(|times| async move {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                spent += Duration::from_nanos(run().await.receipt.instantiate_ns);
            }
            spent
        });
    });
    criterion.bench_function("hello/activation", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let outcome = run().await;
            serde_json::from_str::<serde_json::Value>(&outcome.result.expect("a greeting"))
                .expect("JSON")
        });
    });
}

fn load(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let host = host(128, Some(AotCache::new(folder.path(), [7; 32], 1 << 30)));
    let component = guest("hello");
    criterion.bench_function("hello/load", |bencher| {
        bencher.to_async(&runtime).iter(|| async { host.load(&component).await.expect("hello") });
    });
}

criterion_group!(benches, activation, load);
criterion_main!(benches);
