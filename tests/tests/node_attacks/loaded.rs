//! Actions that stay loaded.

use std::process;

use keynet_tests::guest;
use keynet_tests::made::answers;
use serde_json::json;

use super::Attacked;

/// Deploys and runs 30 components of `evil`, which only 8 places for loaded actions can hold.
fn flood(attacked: &Attacked) {
    for number in 0..30 {
        let component = attacked.sandbox.path("flood.wasm");
        let text = format!("{{\"number\":{number},\"process\":{}}}", process::id());
        std::fs::write(&component, answers(&text)).unwrap();
        attacked.evil.deployed("flood", &component);
        assert_eq!(attacked.evil.invoke("flood", &json!({})).json()["number"], number);
    }
}

/// Asserts that an action of `good` is not loaded again.
fn is_still_loaded(attacked: &Attacked) {
    let path = "/_/actions/contract?blocking=true";
    let record = attacked.good.call("POST", path, &json!({ "x": 1 })).json();
    let annotations = record["annotations"].as_array().unwrap();
    assert!(annotations.iter().any(|one| one["key"] == "waitTime"), "{record}");
    assert!(annotations.iter().all(|one| one["key"] != "initTime"), "{record}");
}

#[test]
fn the_actions_of_good_stay_loaded_while_evil_loads_many() {
    let attacked = Attacked::start("process = { loaded-actions = 8 }\n", "");
    flood(&attacked);
    is_still_loaded(&attacked);
}

#[test]
fn the_actions_of_good_stay_loaded_while_evil_loads_much_code() {
    // The two guests of each have about 1 MiB of code together.
    let attacked = Attacked::start("process = { loaded-code = '4MiB' }\n", "");
    flood(&attacked);
    is_still_loaded(&attacked);
}

#[test]
fn a_component_of_good_stays_itself_when_evil_replaces_the_same_one_while_an_activation_waits() {
    let attacked = Attacked::start("", "quotas = { concurrent = 1 }");
    let (good, evil) = (&attacked.good, &attacked.evil);
    let limits = json!({ "limits": { "memory": 128 } });
    assert_eq!(evil.deploy("x", &guest("hello"), &json!({})).status, 200);
    // With other limits: nothing is loaded for these yet.
    assert_eq!(evil.call("PUT", "/_/actions/x?overwrite=true", &limits).status, 200);
    attacked.begin(1, "contract", &json!({ "do": "sleep", "ms": 5_000 }));
    let waits = attacked.begin(1, "x", &json!({ "name": "Ada" }));
    assert_eq!(evil.deploy("x", &guest("contract"), &limits).status, 200);
    let record = evil.record(&waits[0]);
    assert_eq!(record["response"]["status"], "action developer error", "{record}");
    assert!(record["response"]["result"].to_string().contains("replaced"), "{record}");
    for memory in [128, 256] {
        let limits = json!({ "limits": { "memory": memory } });
        assert_eq!(good.deploy("hello", &guest("hello"), &limits).status, 200);
        let answer = good.invoke("hello", &json!({ "name": "Ada" }));
        assert_ne!(
            answer.json(),
            json!({ "name": "Ada" }),
            "this is what evil's component answers"
        );
    }
}
