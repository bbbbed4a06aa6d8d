//! Storing activation records: a lone caller, and 64 at once.
//! `cargo bench -p keynet-node --bench records`.
//!
//! Each figure has the processor time of a record beside it, which says more on a busy machine.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // a benchmark that cannot go on panics

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keynet_node::records::{Accepted, Content, Query, Record, Records, Retention};

const ROUNDS: usize = 3;
const LONE: u64 = 30_000;
const CALLERS: u64 = 64;
const EACH: u64 = 2_000;

/// Bytes of the facts of an activation that used neither models nor storage.
const FACTS: usize = 170;

fn record(number: u64) -> Record {
    let id = format!("{:032x}", fastrand::u128(..));
    Record {
        namespace: "guest".into(),
        path: "hello".to_owned(),
        start: 1_700_000_000_000 + number,
        end: 1_700_000_000_002 + number,
        status: 0,
        content: Content::Facts(vec![1; FACTS]),
        result: r#"{"greeting":"Hello, Ada!"}"#.to_owned(),
        logs: r#"["2026-01-01T00:00:00.000000000Z stdout: greeting Ada"]"#.to_owned(),
        id,
    }
}

/// Processor time of this process so far, all threads.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux's /proc");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("a count of ticks");
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

fn report(what: &str, mut times: Vec<Duration>, elapsed: Duration, processor: Duration) {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / times.len() as f64;
    println!(
        "{what:34} p50 {:6.1} µs  p99 {:7.1} µs  p99.9 {:8.1} µs  {:5.1} µs each  {:5.1} µs processor time",
        at(0.5),
        at(0.99),
        at(0.999),
        each(elapsed),
        each(processor),
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::spawn(run()).await.expect("the benchmark") });
}

async fn run() {
    let folder = tempfile::tempdir().expect("a folder");
    let keep = Retention { age: Duration::from_secs(1 << 40), bytes_per_namespace: u64::MAX };
    let records = Records::open(folder.path(), keep, |_| unreachable!()).expect("a database");
    let records = Arc::new(records);
    for _ in 0..ROUNDS {
        lone(&records, "a lone caller: finish", false).await;
        lone(&records, "a lone caller: accept and finish", true).await;
        many(&records).await;
    }
    let begun = Instant::now();
    let query = Query { limit: 30, skip: 1_000, with_results: true, ..Query::default() };
    let listed = records.list("guest", query.clone()).await.expect("a list").len();
    println!("a list of {listed}: {:?}", begun.elapsed());
    let begun = Instant::now();
    let path = Some("other".to_owned());
    let count = records.count("guest", Query { path, ..query.clone() }).await.expect("a count");
    let all = records.count("guest", query).await.expect("a count");
    println!("two counts, {count} and {all} records: {:?}", begun.elapsed());
    let usage = records.usage("guest");
    drop(records);
    let begun = Instant::now();
    let records = Records::open(folder.path(), keep, |_| unreachable!()).expect("a database");
    println!("opening with {} MB: {:?}", usage >> 20, begun.elapsed());
    let half = Retention { bytes_per_namespace: usage / 2, ..keep };
    let begun = Instant::now();
    records.set_retention(half, HashMap::new());
    lone(&records, "a lone caller during deletion", false).await;
    while records.usage("guest") > usage / 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("deleting a half of the records: {:?}", begun.elapsed());
}

async fn lone(records: &Records, what: &str, accept: bool) {
    let ready: Vec<_> = (0..LONE).map(record).collect();
    let mut times = Vec::with_capacity(ready.len());
    let (processor, begun) = (processor_time(), Instant::now());
    for record in ready {
        let begun = Instant::now();
        if accept {
            let Record { id, namespace, path, start, .. } = record.clone();
            let document = r#"{"name":"hello","path":"guest/hello","version":"0.0.1","kind":"blackbox","limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1},"digest":null}"#.to_owned();
            let accepted = Accepted { id, namespace, path, start, document };
            records.accept(&accepted).await.expect("accepted");
        }
        records.finish(&record).await.expect("stored");
        times.push(begun.elapsed());
    }
    report(what, times, begun.elapsed(), processor_time() - processor);
}

async fn many(records: &Arc<Records>) {
    let ready: Vec<Vec<_>> = (0..CALLERS).map(|_| (0..EACH).map(record).collect()).collect();
    let (processor, begun) = (processor_time(), Instant::now());
    let callers = ready.into_iter().map(|ready| {
        let records = Arc::clone(records);
        tokio::spawn(async move {
            let mut times = Vec::with_capacity(ready.len());
            for record in ready {
                let begun = Instant::now();
                records.finish(&record).await.expect("stored");
                times.push(begun.elapsed());
            }
            times
        })
    });
    let mut times = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        times.extend(caller.await.expect("a caller"));
    }
    report("64 callers: finish", times, begun.elapsed(), processor_time() - processor);
}
