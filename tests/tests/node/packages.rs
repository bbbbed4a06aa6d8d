//! Packages, bindings and what is shared between namespaces.

use keynet_tests::{Sandbox, guest};
use serde_json::{Value, json};

use super::node;

#[test]
fn a_shared_package_is_bound_and_run_with_the_rights_of_the_caller() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let (owner, other) = (node.client("team-a"), node.client("team-b"));
    let package = json!({
        "publish": true, "parameters": [{ "key": "secret", "value": "of the owner" }],
    });
    assert_eq!(owner.call("PUT", "/_/packages/tools", &package).status, 200);
    let answer = owner.deploy("tools/contract", &guest("contract"), &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());

    let binding = json!({
        "binding": { "namespace": "team-a", "name": "tools" },
        "parameters": [{ "key": "mine", "value": 1 }],
    });
    let bound = other.call("PUT", "/_/packages/theirs", &binding);
    assert_eq!(bound.status, 200, "{}", bound.text());
    let answer = other.invoke("theirs/contract", &json!({ "do": "environment" }));
    assert_eq!(answer.json()["__OW_NAMESPACE"], "team-b", "{}", answer.text());
    let answer = other.invoke("theirs/contract", &json!({}));
    assert_eq!(answer.json(), json!({ "mine": 1, "secret": "of the owner" }));
    assert_eq!(owner.get("/_/activations"), json!([]), "the records are the caller's");

    // The values of another namespace's parameters and its code are not shown.
    for path in ["/team-a/packages/tools", "/_/packages/theirs", "/team-a/actions/tools/contract"] {
        let shown = other.get(path);
        assert!(!shown.to_string().contains("of the owner"), "{shown}");
        assert!(shown["exec"].get("code").is_none(), "{path}");
    }
    assert_eq!(other.get("/team-a/packages")[0]["name"], "tools");
    for (method, path) in [
        ("PUT", "/team-a/packages/tools?overwrite=true"),
        ("DELETE", "/team-a/packages/tools"),
        ("DELETE", "/team-a/actions/tools/contract"),
        ("GET", "/team-a/activations"),
        ("GET", "/team-a/actions"),
    ] {
        let answer = other.call(method, path, &json!({}));
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
    }
}

#[test]
fn a_private_package_looks_the_same_as_none() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let (owner, other) = (node.client("team-a"), node.client("team-b"));
    assert_eq!(owner.call("PUT", "/_/packages/private", &json!({})).status, 200);
    let text = |name: &str| {
        let answer = other.call("GET", &format!("/team-a/packages/{name}"), &Value::Null);
        assert_eq!(answer.status, 403);
        answer.json()["error"].as_str().unwrap().replace(name, "…")
    };
    assert_eq!(text("private"), text("nothing"));
    let binding = json!({ "binding": { "namespace": "team-a", "name": "private" } });
    assert_eq!(other.call("PUT", "/_/packages/b", &binding).status, 403);
    // A package that is no longer shared is out of reach through bindings that exist.
    let shared = json!({ "publish": true });
    assert_eq!(owner.call("PUT", "/_/packages/private?overwrite=true", &shared).status, 200);
    assert_eq!(other.call("PUT", "/_/packages/b", &binding).status, 200);
    owner.deploy("private/hello", &guest("hello"), &json!({}));
    assert_eq!(other.invoke("b/hello", &json!({ "name": "x" })).status, 200);
    let private = json!({ "publish": false });
    assert_eq!(owner.call("PUT", "/_/packages/private?overwrite=true", &private).status, 200);
    assert_eq!(other.invoke("b/hello", &json!({ "name": "x" })).status, 403);
}

#[test]
fn a_package_with_actions_is_not_removed() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    assert_eq!(team.deploy("p/hello", &guest("hello"), &json!({})).status, 404, "no package yet");
    assert_eq!(team.call("PUT", "/_/packages/p", &json!({})).status, 200);
    assert_eq!(team.deploy("p/hello", &guest("hello"), &json!({})).status, 200);
    assert_eq!(team.deploy("p", &guest("hello"), &json!({})).status, 409, "the name of a package");
    assert_eq!(team.get("/_/packages/p")["actions"][0]["name"], "hello");
    let answer = team.call("DELETE", "/_/packages/p", &Value::Null);
    assert!(
        answer.status == 409 && answer.text().contains("contains 1 entity"),
        "{}",
        answer.text()
    );
    assert_eq!(team.call("DELETE", "/_/actions/p/hello", &Value::Null).status, 200);
    assert_eq!(team.call("DELETE", "/_/packages/p", &Value::Null).status, 200);
}
