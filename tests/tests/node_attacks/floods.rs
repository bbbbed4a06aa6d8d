//! Floods of requests, logs and handles.

use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::process::{descriptors, peak_of, reset_peak};
use keynet_tests::{answer, guest};
use serde_json::{Value, json};

use super::{Attacked, BLOCKING};

#[test]
fn good_is_not_refused_when_the_queue_of_evil_is_full() {
    let attacked = Attacked::start("", "quotas = { concurrent = 4, queue = 10 }");
    let sleep = json!({ "do": "sleep", "ms": 1500 });
    let calls: Vec<_> = (0..100).map(|_| attacked.evil.begin("POST", BLOCKING, &sleep)).collect();
    attacked.good_answers(20);
    let statuses: Vec<u16> = calls.into_iter().map(|call| answer(call).status).collect();
    let count = |status| statuses.iter().filter(|is| **is == status).count();
    assert_eq!(count(200) + count(429), 100, "{statuses:?}");
    assert!(count(429) >= 20 && count(200) >= 14, "{statuses:?}");
    // Nothing leaks: as many run afterwards.
    let calls: Vec<_> = (0..4).map(|_| attacked.evil.begin("POST", BLOCKING, &sleep)).collect();
    assert!(calls.into_iter().all(|call| answer(call).status == 200));
}

#[test]
fn good_keeps_its_logs_and_records_while_evil_writes_gigabytes_of_them() {
    let records = "records = { size = '16MiB' }\n";
    let attacked = Attacked::start(records, "quotas = { logs = '16MiB' }");
    let lines = json!({ "do": "lines", "id": "good", "count": 500, "bytes": 10 });
    let answered = attacked.good.call("POST", "/_/actions/contract?blocking=true", &lines);
    let id = answered.json()["activationId"].as_str().unwrap().to_owned();
    let process = attacked.process();
    reset_peak(process);
    let flood = json!({ "do": "lines", "id": "evil", "count": 5000, "bytes": 1000 });
    let ids = attacked.begin(60, "contract", &flood);
    let during = attacked.good.call("POST", "/_/actions/contract?blocking=true", &lines).json();
    let during = attacked.good.record(during["activationId"].as_str().unwrap());
    assert_eq!(during["logs"].as_array().unwrap().len(), 1000, "its quota is its own");
    // When all of them have ended, what they held counts no more: a small log is whole.
    let one = json!({ "do": "lines", "id": "evil", "count": 5, "bytes": 10 });
    let started = Instant::now();
    loop {
        let after = attacked.evil.call("POST", "/_/actions/contract?blocking=true", &one).json();
        let after = attacked.evil.record(after["activationId"].as_str().unwrap());
        let listed = ids.iter().filter(|id| is_recorded(&attacked, id)).count();
        // The oldest of evil's records make room for the others.
        if after["logs"].as_array().unwrap().len() == 10 && listed > 0 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{after}");
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(attacked.good.record(&id)["logs"].as_array().unwrap().len(), 1000);
    let peak = peak_of(process);
    assert!(peak < 1024, "600 MB of logs took {peak} MiB");
}

fn is_recorded(attacked: &Attacked, id: &str) -> bool {
    attacked.evil.call("GET", &format!("/_/activations/{id}/result"), &Value::Null).status == 200
}

#[test]
fn good_opens_objects_while_evil_opens_as_many_as_it_can() {
    let attacked = Attacked::start("", "");
    let put = json!({ "do": "put", "location": "one", "text": "x" });
    assert!(attacked.evil.invoke("evil", &put).json()["allowed"].is_string());
    let process = attacked.process();
    let before = descriptors(process);
    let open = json!({ "do": "open", "location": "one", "count": 1_000_000, "ms": 4000 });
    let uploads = json!({ "do": "uploads", "count": 1_000_000, "ms": 4000 });
    attacked.begin(20, "evil", &open);
    attacked.begin(20, "evil", &uploads);
    for number in 0..20 {
        let put = json!({ "do": "put", "location": format!("{number}"), "text": "x" });
        let stored = attacked.good.invoke("evil", &put);
        assert!(stored.json()["allowed"].is_string(), "{}", stored.text());
    }
    attacked.good_answers(10);
    println!("{} descriptors, {before} before", descriptors(process));
}

#[test]
fn good_is_answered_while_evil_waits_for_results_by_the_hundred() {
    let attacked = Attacked::start("", "");
    let sleep = json!({ "do": "sleep", "ms": 70_000 });
    let waiting: Vec<_> = (0..300).map(|_| attacked.evil.begin("POST", BLOCKING, &sleep)).collect();
    attacked.good_answers(20);
    attacked.good.deployed("another", &guest("contract"));
    for call in &waiting {
        call.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    }
    // All are handed over at the same moment, and good is answered at that moment too.
    let first = waiting.into_iter().map(answer).next().unwrap();
    assert_eq!(first.status, 202, "{}", first.text());
    attacked.good_answers(20);
    let id = first.json()["activationId"].as_str().unwrap().to_owned();
    assert_eq!(attacked.evil.record(&id)["response"]["result"]["slept"], 70_000);
}
