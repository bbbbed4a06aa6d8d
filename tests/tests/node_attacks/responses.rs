//! Large results, and lists of them.

use std::thread;
use std::time::Duration;

use keynet_tests::answer;
use keynet_tests::process::{peak_of, reset_peak};
use serde_json::{Value, json};

use super::{Attacked, BLOCKING};

#[test]
fn good_is_answered_while_evil_returns_5_mb_a_hundred_times() {
    let attacked = Attacked::start("", "quotas = { memory = '512MiB' }");
    let quiet = attacked.good_answers(10);
    reset_peak(attacked.process());
    let big = json!({ "do": "big", "bytes": 5_000_000 });
    let calls: Vec<_> = (0..100).map(|_| attacked.evil.begin("POST", BLOCKING, &big)).collect();
    let reading = thread::spawn(|| {
        calls.into_iter().map(|call| answer(call).status).filter(|status| *status == 200).count()
    });
    let mut beside = Duration::ZERO;
    let mut rounds = 0;
    while !reading.is_finished() {
        beside = beside.max(attacked.good_answers(3));
        rounds += 1;
    }
    let answered = reading.join().unwrap();
    let peak = peak_of(attacked.process());
    println!(
        "median of good: {quiet:?} alone, at most {beside:?} beside ({rounds} rounds); \
        {answered} results, peak {peak} MiB"
    );
    assert!(answered > 0 && beside < Duration::from_secs(20));
    assert!(peak < 2048, "500 MB of results took {peak} MiB");
    attacked.good_answers(3);
    assert_eq!(attacked.evil.invoke("contract", &big).status, 200, "nothing is held any more");
}

#[test]
fn a_list_of_large_records_is_refused_and_their_memory_is_free_again() {
    let attacked = Attacked::start("", "quotas = { memory = '512MiB' }");
    let big = json!({ "do": "big", "bytes": 4_000_000 });
    for _ in 0..20 {
        let answer = attacked.evil.invoke("contract", &big);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    reset_peak(attacked.process());
    for _ in 0..5 {
        let path = "/_/activations?docs=true&limit=200";
        let listed = attacked.evil.call("GET", path, &Value::Null);
        assert_eq!(listed.status, 413, "{}", listed.text());
        assert!(listed.text().contains("limit"), "{}", listed.text());
    }
    let listed = attacked.evil.get("/_/activations?docs=true&limit=2");
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let calls: Vec<_> = (0..50)
        .map(|_| attacked.evil.begin("GET", "/_/activations?docs=true&limit=6", &Value::Null))
        .collect();
    attacked.good_answers(5);
    let statuses: Vec<u16> = calls.into_iter().map(|call| answer(call).status).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    let peak = peak_of(attacked.process());
    assert!(peak < 1500, "lists took {peak} MiB");
    assert_eq!(attacked.evil.get("/_/activations?docs=true&limit=2").as_array().unwrap().len(), 2);
}
