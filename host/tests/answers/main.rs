//! Servers whose responses do not end, differ from their announced length or grow without bound:
//! each is read up to a limit and no further.
//!
//! Each test checks the error, the bytes that the server could send, and the memory that was
//! reserved.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod mlflow;
mod registry;
mod s3;
mod triton;
mod urls;

use std::time::{Duration, Instant};

use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::config::{Origin, S3Config, S3Credentials, Secret};
use keynet_base::{Error, ErrorKind};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{ObjectStorage, StorageLimits};
use keynet_test_servers::HostileServer;
use url::Url;

/// Maximum bytes in transit between two sockets of one machine: the buffers of the operating
/// system, and hyper's.
const ON_THE_WAY: u64 = 16 << 20;

const MIB: u64 = 1 << 20;

fn within(memory: u64, time: Duration) -> CallBudget {
    CallBudget { memory: MemoryBudget::process(memory), deadline: Instant::now() + time }
}

/// Returns a budget with more memory and time than any test needs.
fn enough() -> CallBudget {
    within(512 * MIB, Duration::from_secs(60))
}

/// Returns storage in a store at `endpoint`.
fn objects_at(endpoint: &str, limits: StorageLimits) -> ObjectStorage {
    let config = S3Config {
        endpoint: Some(Url::parse(endpoint).unwrap()),
        region: None,
        bucket: "b".to_owned(),
        credentials: S3Credentials::Key {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("hunter2hunter2"),
            token: None,
        },
        ca: None,
        origin: Origin::Container,
    };
    ObjectStorage::of_s3(&S3Store::open(&config).unwrap(), limits)
}

/// Checks that a call failed with this kind and message, after `limit` bytes at most, with all
/// memory released.
fn refused<T: std::fmt::Debug>(
    answer: Result<T, Error>,
    kind: ErrorKind,
    words: &str,
    server: &HostileServer,
    limit: u64,
) {
    let error = answer.expect_err("it was believed");
    assert!(error.kind == kind && error.message.contains(words), "{:?}: {error}", error.kind);
    assert!(error.message.len() < 1000, "{error}");
    assert!(
        server.sent() <= limit + ON_THE_WAY,
        "the server sent {} bytes: {error}",
        server.sent()
    );
}
