//! Actions that stay loaded.

use std::process;

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
