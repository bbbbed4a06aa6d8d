//! Processor time.

use std::time::Duration;

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
fn good_gets_a_slot_while_evil_sleeps_in_all_that_it_may_have() {
    let attacked = Attacked::start("process = { activations = 16 }\n", "");
    attacked.begin(100, "contract", &json!({ "do": "sleep", "ms": 120_000 }));
    attacked.good_answers(10);
    attacked.good.deployed("another", &keynet_tests::guest("hello"));
}
