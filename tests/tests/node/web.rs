//! Web actions of a node.

use keynet_tests::{Sandbox, guest, http};
use serde_json::json;

use super::node;

#[test]
fn a_web_action_answers_anyone_in_the_format_of_its_extension() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    let web = json!({ "annotations": [{ "key": "web-export", "value": true }, { "key": "final", "value": true }],
        "parameters": [{ "key": "fixed", "value": 1 }] });
    assert_eq!(team.deploy("contract", &guest("contract"), &web).status, 200);
    team.deployed("private", &guest("contract"));
    let get = |target: &str| http(node.address(), "GET", &format!("/api/v1/web{target}"), &[], b"");
    let answer = get("/team-a/default/contract.json?x=1");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let result = answer.json();
    assert_eq!((&result["x"], &result["__ow_method"]), (&json!("1"), &json!("get")));
    assert!(
        answer.head.to_lowercase().contains("access-control-allow-origin: *"),
        "{}",
        answer.head
    );
    assert!(answer.head.to_lowercase().contains("x-openwhisk-activation-id"), "{}", answer.head);
    assert_eq!(get("/team-a/default/contract.json?fixed=2").status, 400);
    for target in [
        "/team-a/default/private.json",
        "/team-a/default/none.json",
        "/team-b/default/contract.json",
        "/nobody/default/contract.json",
        "/team-a/../team-a/contract.json",
    ] {
        assert_eq!(get(target).status, 404, "{target}");
    }
    let answer = get("/team-a/default/contract.http?do=error-object");
    assert_eq!((answer.status, answer.text()), (404, "no such picture"));
    let records = team.get("/_/activations?name=contract");
    assert_eq!(records.as_array().unwrap().len(), 2, "of the namespace that owns it");
}
