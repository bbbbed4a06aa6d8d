//! Timing tests of the hostile suite: no synchronous work blocks a worker, so that a small
//! activation during an attack takes as long as during compute-bound guests. They are a separate
//! program, so that the attacks of `hostile` do not run at the same time.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::time::{Duration, Instant};

use keynet_tests::hostile::{Failures, Victim, VictimSetup};
use keynet_tests::http;
use serde_json::{Map, Value, json};

fn victim() -> Victim {
    VictimSetup::new([("KEYNET_MEMORY", "256MiB"), ("KEYNET_LOGS", "64MiB")]).start()
}

fn compare(attacks: &[(&str, Value)]) {
    let victim = victim();
    let mut failures = Failures::default();
    for (name, attack) in attacks {
        let compared = victim.delays_no_more_than_a_guest_that_computes(attack);
        failures.note(name, compared.and_then(|told| victim.is_well().map(|()| told)));
    }
    failures.none();
}

#[test]
fn what_is_parsed_and_checked_holds_no_one_up() {
    compare(&[
        ("small parameters", json!({ "do": "flat-parameters", "mib": 30 })),
        ("a parameter's list", json!({ "do": "nested-parameters", "mib": 30 })),
        ("empty strings", json!({ "do": "empty-strings", "mib": 60 })),
        ("booleans", json!({ "do": "booleans", "mib": 60 })),
        ("a result of numbers", json!({ "do": "wide-result", "mib": 30 })),
        ("a deep result", json!({ "do": "deep-result", "count": 10_000_000 })),
        ("a model's name", json!({ "do": "long-model", "mib": 40, "text": "\u{1}" })),
    ]);
}

/// Pieces of text that look like the beginning of a secret, to make a redactor read them
/// repeatedly.
const UNITS: &[&str] = &[
    "key=***",
    "key=***key: ***",
    "KEYNET_A=***",
    "\"token\":\"***",
    "key=",
    "token: \"",
    "password='",
    "AWS_",
    "://a:",
    "://a@",
    "-----BEGIN ",
    "authorization: Bearer ",
    "\\\"key\\\"=",
    "\u{1b}[1mkey\u{1b}[0m=",
];

#[test]
fn what_looks_like_secrets_holds_no_one_up() {
    let attacks: Vec<_> = UNITS
        .iter()
        .map(|unit| (*unit, json!({ "do": "secret-logs", "count": 8, "text": unit })))
        .collect();
    let victim = victim();
    let mut failures = Failures::default();
    for (unit, attack) in &attacks {
        // A line of 64 KiB takes milliseconds even in a debug build; quadratic work would take most
        // of a second.
        let asked = Instant::now();
        victim.ask(attack);
        let time = asked.elapsed();
        let told = format!("8 lines of 64 KiB took {time:?}");
        failures.note(unit, if time < Duration::from_secs(3) { Ok(told) } else { Err(told) });
    }
    let compared = victim.delays_no_more_than_a_guest_that_computes(&attacks[0].1);
    failures.note("beside them", compared);
    failures.none();
}

#[test]
fn many_fields_of_run_hold_no_one_up() {
    let victim = victim();
    let mut body: Map<String, Value> =
        (0..80_000).map(|field| (format!("field{field}"), json!("x"))).collect();
    body.insert("value".to_owned(), json!({ "do": "hello" }));
    let body = Value::Object(body).to_string();
    let address = victim.address();
    let asked = Instant::now();
    let answer = http(&address, "POST", "/run", &[], body.as_bytes());
    let time = asked.elapsed();
    assert!([200, 400, 413].contains(&answer.status), "{answer:?}");
    assert!(time < Duration::from_secs(3), "80,000 fields took {time:?}");
    let attack = || drop(http(&address, "POST", "/run", &[], body.as_bytes()));
    let mut failures = Failures::default();
    failures.note("80,000 fields", victim.delays_no_more_than_a_guest_that_computes_while(&attack));
    failures.none();
}
