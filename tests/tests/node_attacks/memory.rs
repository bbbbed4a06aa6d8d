//! Memory of activations.

use std::thread;
use std::time::Duration;

use keynet_tests::node::{Node, Tenant};
use keynet_tests::process::{peak_of, reset_peak};
use keynet_tests::{Sandbox, guest};
use serde_json::json;

use super::Attacked;

#[test]
fn good_runs_while_evil_fills_its_memory() {
    let attacked = Attacked::start("", "quotas = { memory = '256MiB', action-memory = '128MiB' }");
    let limits = json!({ "limits": { "memory": 128 } });
    let deployed = attacked.evil.deploy("contract", &guest("contract"), &limits);
    assert_eq!(deployed.status, 200, "{}", deployed.text());
    let process = attacked.process();
    reset_peak(process);
    let ids = attacked.begin(60, "contract", &json!({ "do": "memory" }));
    let held = attacked.begin(4, "evil", &json!({ "do": "touch", "mib": 100, "ms": 3000 }));
    attacked.good_answers(20);
    for id in ids {
        let record = attacked.evil.record(&id);
        assert_eq!(record["response"]["status"], "application error", "{record}");
    }
    held.iter().for_each(|id| drop(attacked.evil.record(id)));
    attacked.good_answers(1);
    let peak = peak_of(process);
    assert!(peak < 1024, "the process had {peak} MiB, and evil's quota is 256 MiB");
}

#[test]
fn good_runs_while_the_parameters_of_evil_wait_in_its_queue() {
    let quotas = "quotas = { memory = '64MiB', concurrent = 1, queue = 1000 }";
    let attacked = Attacked::start("", quotas);
    attacked.begin(1, "contract", &json!({ "do": "sleep", "ms": 20_000 }));
    let process = attacked.process();
    reset_peak(process);
    let before = peak_of(process);
    let large = json!({ "do": "identity", "x": "x".repeat(1_000_000) });
    let statuses: Vec<u16> = (0..150)
        .map(|_| attacked.evil.call("POST", "/_/actions/contract", &large).status)
        .collect();
    let accepted = statuses.iter().filter(|status| **status == 202).count();
    assert!((10..=64).contains(&accepted), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    attacked.good_answers(5);
    let grown = peak_of(process).saturating_sub(before);
    assert!(grown < 200, "150 MB of waiting parameters took {grown} MiB");
}

#[test]
fn good_has_memory_while_two_namespaces_fill_that_of_the_process() {
    let sandbox = Sandbox::new();
    let evils = ["evil", "worse"];
    let tenants = ["good", evils[0], evils[1]].map(Tenant::new);
    let node = Node::start(&sandbox, "process = { memory = '1GiB' }\n", &tenants);
    let good = node.client("good");
    good.deployed("evil", &guest("evil"));
    for name in evils {
        let evil = node.client(name);
        evil.deployed("evil", &guest("evil"));
        for _ in 0..40 {
            let attack = json!({ "do": "touch", "mib": 30, "ms": 20_000 });
            assert_eq!(evil.call("POST", "/_/actions/evil", &attack).status, 202);
        }
        thread::sleep(Duration::from_secs(3)); // those that get their memory hold it for 20 s
    }
    for _ in 0..5 {
        let answer = good.invoke("evil", &json!({ "do": "touch", "mib": 40, "ms": 10 }));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let refused = node.client("worse").get("/_/activations?docs=true");
    assert!(refused.to_string().contains("leaves room for the others"), "{refused}");
}

#[test]
fn good_runs_while_activations_of_evil_with_large_default_parameters_wait() {
    let attacked = Attacked::start("", "quotas = { concurrent = 1, queue = 1000 }");
    let evil = &attacked.evil;
    let large = json!([{ "key": "x", "value": "x".repeat(1_000_000) }]);
    let package = json!({ "parameters": large });
    assert_eq!(evil.call("PUT", "/_/packages/p", &package).status, 200);
    assert_eq!(evil.deploy("p/contract", &guest("contract"), &package).status, 200);
    attacked.begin(1, "contract", &json!({ "do": "sleep", "ms": 20_000 }));
    let process = attacked.process();
    reset_peak(process);
    let before = peak_of(process);
    attacked.begin(300, "p/contract", &json!({}));
    attacked.good_answers(5);
    let grown = peak_of(process).saturating_sub(before);
    assert!(grown < 100, "300 that wait took {grown} MiB");
}

#[test]
fn good_is_answered_while_evil_lists_megabytes_of_annotations() {
    let attacked = Attacked::start("", "");
    let evil = &attacked.evil;
    let zeros = serde_json::Value::from(vec![0; 500_000]);
    let package = json!({ "annotations": [{ "key": "x", "value": zeros }] });
    for number in 0..40 {
        assert_eq!(evil.call("PUT", &format!("/_/packages/p{number}"), &package).status, 200);
    }
    let process = attacked.process();
    reset_peak(process);
    let before = peak_of(process);
    let list = |limit: u32| {
        evil.send("GET", &format!("/_/packages?limit={limit}"), "application/json", b"").status
    };
    assert_eq!((list(40), list(30)), (413, 200));
    attacked.good_answers(5);
    let grown = peak_of(process).saturating_sub(before);
    assert!(grown < 200, "a list of 30 MB took {grown} MiB");
}
