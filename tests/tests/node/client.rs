//! The client of OpenWhisk's own project drives a node.

use keynet_tests::Sandbox;
use keynet_tests::node::key_of;
use keynet_tests::outsiders::openwhisk_client;
use serde_json::json;

use super::node;

#[test]
fn openwhisks_own_client_makes_changes_runs_and_removes_an_action() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let host = format!("http://{}", node.address());
    let told = openwhisk_client(&host, &key_of("team-a"), "keynet/any:1");
    let step = |name: &str| told.get(name).unwrap_or_else(|| panic!("no step {name}: {told:#?}"));
    assert_eq!(step("namespaces"), &json!(["team-a"]));
    assert_eq!(step("created")["version"], "0.0.1");
    assert_eq!(step("again")["statusCode"], 409);
}
