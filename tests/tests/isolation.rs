//! Isolation of activations: the faults of one affect only that one; others of the same process
//! continue during and after it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, missing_docs)]

use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::{Sandbox, Server, guest};
use serde_json::json;

const DEEDS: &[&str] = &[
    "loop-for-ever",
    "sleep",
    "allocate-one-memory",
    "allocate-tensors",
    "allocate-by-predict-many",
    "huge-list",
    "recurse",
    "panic",
    "abort",
    "exit",
    "return-text",
    "open-handles",
    "absurd-shape",
];

fn behaves(server: &Server) {
    let (status, answer) = server.post(&json!({ "do": "behave" }));
    assert_eq!((status, &answer["parameters"]["do"]), (200, &json!("behave")), "{answer}");
}

#[test]
fn a_fault_costs_only_its_own_activation() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_TIME", "4s");
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let server = sandbox.serve(&guest("hostile"));
    behaves(&server);
    thread::scope(|scope| {
        for deed in DEEDS {
            let server = &server;
            scope.spawn(move || {
                let (status, answer) = server.post(&json!({ "do": deed }));
                assert!(status >= 400, "{deed}: {status} {answer}");
                assert!(
                    answer["error"].is_string() || answer["error"].is_object(),
                    "{deed}: {answer}"
                );
            });
        }
        // Concurrently with them.
        for _ in 0..20 {
            behaves(&server);
        }
    });
    behaves(&server);
    // All at once, each within its 64 MiB.
    let most = 64 * DEEDS.len() as u64 + 200;
    assert!(server.peak_mib() < most, "{} MiB", server.peak_mib());
}

#[test]
fn those_who_compute_share_the_processor_with_those_who_answer() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_TIME", "4s");
    let server = sandbox.serve(&guest("hostile"));
    behaves(&server);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| server.post(&json!({ "do": "loop-for-ever" })));
        }
        thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        behaves(&server);
        assert!(asked.elapsed() < Duration::from_secs(2), "it took {:?}", asked.elapsed());
    });
}
