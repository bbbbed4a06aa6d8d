//! Objects in a real S3 store, through the storage of actions and through `object_store` alone:
//! `tests/bench-storage`.
//!
//! Both use the same server, object, part size and number of concurrent parts; they take turns, and
//! the median of the turns is printed. Memory is the high-water mark of `/proc/self/status`, reset
//! before each turn, minus the memory that was resident then.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // a failed benchmark panics

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::{Origin, S3Config, S3Credentials, Secret};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{Location, ObjectStorage, StorageLimits};
use keynet_test_servers::RealServer;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore as _, ObjectStoreExt as _, PutMultipartOptions, PutPayload,
};

const OBJECT: usize = 100 << 20;
/// Bytes that an action sends or requests in one call.
const CALL: usize = 1 << 20;
const RANGE: u64 = 8 << 20;
const PART: usize = 8 << 20;
const AT_ONCE: usize = 2;

struct Bench {
    bare: AmazonS3,
    ours: ObjectStorage,
    chunk: Bytes,
}

/// One turn: its time, and its memory above the start.
type Turn = (Duration, u64);

fn main() {
    let turns =
        std::env::var("KEYNET_BENCH_TURNS").ok().and_then(|turns| turns.parse().ok()).unwrap_or(7);
    let server = RealServer::s3(&[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let bench = Bench::new(&server);
    println!(
        "{:24} {:>12} {:>12} {:>7} {:>14} {:>14}",
        "100 MiB", "object_store", "storage", "ratio", "peak MiB (o_s)", "peak MiB"
    );
    let report = |name: &str, bare: &dyn Fn() -> Turn, ours: &dyn Fn() -> Turn| {
        let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
        for _ in 0..turns {
            of_bare.push(bare());
            of_ours.push(ours());
        }
        let (bare, ours) = (median(&mut of_bare), median(&mut of_ours));
        let speed = |time: Duration| (OBJECT as f64 / f64::from(1 << 20)) / time.as_secs_f64();
        let ratio = speed(ours.0) / speed(bare.0);
        println!(
            "{name:24} {:7.0} MiB/s {:7.0} MiB/s {ratio:7.2} {:14} {:14}",
            speed(bare.0),
            speed(ours.0),
            bare.1 >> 20,
            ours.1 >> 20
        );
    };
    report("put by upload", &|| turn(&runtime, bench.bare_put()), &|| {
        turn(&runtime, bench.our_upload())
    });
    report("get in ranges of 8 MiB", &|| turn(&runtime, bench.bare_get()), &|| {
        turn(&runtime, bench.our_get())
    });
    report("64 at once, 1 MiB each", &|| turn(&runtime, bench.bare_many()), &|| {
        turn(&runtime, bench.our_many())
    });
}

fn median(turns: &mut [Turn]) -> Turn {
    turns.sort_unstable();
    let middle = turns[turns.len() / 2].0;
    (middle, turns.iter().map(|(_, memory)| *memory).max().unwrap_or_default())
}

fn turn(runtime: &tokio::runtime::Runtime, work: impl Future<Output = ()>) -> Turn {
    std::fs::write("/proc/self/clear_refs", "5").expect("clear_refs"); // resets the high-water mark
    let before = status("VmRSS:");
    let began = Instant::now();
    runtime.block_on(work);
    (began.elapsed(), status("VmHWM:").saturating_sub(before))
}

/// Returns the bytes of a line of `/proc/self/status`.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
        * 1024
}

impl Bench {
    fn new(server: &RealServer) -> Self {
        let (endpoint, id, secret) = (
            server.get("S3_ENDPOINT"),
            server.get("AWS_ACCESS_KEY_ID"),
            server.get("AWS_SECRET_ACCESS_KEY"),
        );
        let config = S3Config {
            endpoint: Some(endpoint.parse().expect("a URL")),
            region: None,
            bucket: "test".to_owned(),
            credentials: S3Credentials::Key {
                id: id.to_owned(),
                secret: Secret::new(secret),
                token: None,
            },
            ca: None,
            origin: Origin::Container,
        };
        let ours = ObjectStorage::of_s3(
            &S3Store::open(&config).expect("a store"),
            StorageLimits::default(),
        );
        let bare = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_bucket_name("test");
        let bare =
            bare.with_access_key_id(id).with_secret_access_key(secret).build().expect("a store");
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let chunk: Vec<u8> = (0..CALL).map(|_| byte()).collect();
        Self { bare, ours, chunk: chunk.into() }
    }

    fn budget(&self) -> CallBudget {
        CallBudget {
            memory: MemoryBudget::process(1 << 30),
            deadline: Instant::now() + Duration::from_secs(600),
        }
    }

    /// The same part size and concurrency, as a program would write it.
    async fn bare_put(&self) {
        let upload =
            self.bare.put_multipart_opts(&Path::from("bare"), PutMultipartOptions::default()).await;
        let mut upload = upload.expect("an upload");
        let mut sending: tokio::task::JoinSet<object_store::Result<()>> =
            tokio::task::JoinSet::new();
        let mut part = Vec::with_capacity(PART);
        for written in 1..=OBJECT / CALL {
            part.extend_from_slice(&self.chunk);
            if part.len() == PART || written == OBJECT / CALL {
                while sending.len() >= AT_ONCE {
                    sending.join_next().await.expect("a part").expect("no panic").expect("sent");
                }
                let full = std::mem::replace(&mut part, Vec::with_capacity(PART));
                sending.spawn(upload.put_part(PutPayload::from(full)));
            }
        }
        while let Some(sent) = sending.join_next().await {
            sent.expect("no panic").expect("sent");
        }
        upload.complete().await.expect("complete");
    }

    async fn our_upload(&self) {
        let budget = self.budget();
        let mut upload =
            self.ours.create_upload(Some(at("ours")), None, &budget).await.expect("an upload");
        for _ in 0..OBJECT / CALL {
            upload.write(self.chunk.clone(), &budget).await.expect("written");
        }
        upload.finish(&budget).await.expect("finished");
    }

    async fn bare_get(&self) {
        let mut offset = 0;
        while offset < OBJECT as u64 {
            let range = Some(GetRange::Bounded(offset..(offset + RANGE).min(OBJECT as u64)));
            let found = self
                .bare
                .get_opts(&Path::from("bare"), GetOptions { range, ..GetOptions::default() })
                .await;
            offset += found.expect("an object").bytes().await.expect("bytes").len() as u64;
        }
    }

    async fn our_get(&self) {
        let budget = self.budget();
        let open = self.ours.open(&at("ours"), &budget).await.expect("an object");
        let mut offset = 0;
        while offset < open.size() {
            offset += open.read(offset, RANGE, &budget).await.expect("bytes").bytes.len() as u64;
        }
    }

    async fn bare_many(&self) {
        let one = |number: u64| async move {
            let start = number << 20;
            self.bare
                .get_range(&Path::from("bare"), start..start + (1 << 20))
                .await
                .expect("bytes")
                .len()
        };
        futures::stream::iter(0..100).map(one).buffer_unordered(64).collect::<Vec<_>>().await;
    }

    async fn our_many(&self) {
        let budget = Arc::new(self.budget());
        let open = self.ours.open(&at("ours"), &budget).await.expect("an object");
        let one = |number: u64| {
            let (open, budget) = (open.clone(), Arc::clone(&budget));
            async move { open.read(number << 20, 1 << 20, &budget).await.expect("bytes").bytes.len() }
        };
        futures::stream::iter(0..100).map(one).buffer_unordered(64).collect::<Vec<_>>().await;
    }
}

fn at(key: &str) -> Location {
    Location::parse(key).expect("a location")
}
