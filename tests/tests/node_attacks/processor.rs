//! Processor time and slots.

use std::time::{Duration, Instant};

use keynet_tests::node::{Node, Tenant};
use keynet_tests::{Sandbox, guest};
use serde_json::json;

use super::Attacked;

#[test]
fn good_answers_beside_500_loops_of_evil() {
    let attacked = Attacked::start("", "");
    let quiet = attacked.good_answers(30);
    attacked.begin(500, "contract", &json!({ "do": "compute" }));
    let beside = attacked.good_answers(30);
    println!("median of good: {quiet:?} alone, {beside:?} beside 500 loops");
    // In order of arrival it would wait for 500 ticks of 5 ms in each of several turns.
    assert!(beside < Duration::from_secs(10), "{quiet:?} alone, {beside:?} beside 500 loops");
}

#[test]
fn good_sends_large_parameters_while_evil_with_as_large_ones_waits_for_its_turns() {
    let attacked = Attacked::start("", "");
    let large = "x".repeat(400 << 10); // read on another thread, of which there are few
    attacked.begin(200, "contract", &json!({ "do": "compute" }));
    attacked.begin(100, "contract", &json!({ "do": "compute", "large": large }));
    let started = Instant::now();
    for _ in 0..10 {
        let answer = attacked.good.invoke("contract", &json!({ "large": large }));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?} beside loops with large parameters");
}

#[test]
fn good_gets_a_slot_while_evil_sleeps_in_all_that_it_may_have() {
    let attacked = Attacked::start("process = { activations = 16 }\n", "");
    attacked.begin(100, "contract", &json!({ "do": "sleep", "ms": 120_000 }));
    attacked.good_answers(10);
    attacked.good.deployed("another", &guest("hello"));
}

#[test]
fn good_gets_a_slot_while_three_namespaces_sleep_in_all_that_they_may_have() {
    let sandbox = Sandbox::new();
    let evils = ["evil", "worse", "worst"];
    let tenants = ["good", evils[0], evils[1], evils[2]].map(Tenant::new);
    let node = Node::start(&sandbox, "process = { activations = 32 }\n", &tenants);
    for name in evils {
        let evil = node.client(name);
        evil.deployed("contract", &guest("contract"));
        for _ in 0..60 {
            let sleep = json!({ "do": "sleep", "ms": 120_000 });
            assert_eq!(evil.call("POST", "/_/actions/contract", &sleep).status, 202);
        }
    }
    let good = node.client("good");
    good.deployed("contract", &guest("contract"));
    for number in 0..10 {
        let answer = good.invoke("contract", &json!({ "number": number }));
        assert_eq!((answer.status, answer.json()), (200, json!({ "number": number })));
    }
}
