//! The client of OpenWhisk's own project drives a node.

use std::collections::BTreeMap;

use keynet_tests::Sandbox;
use keynet_tests::node::key_of;
use keynet_tests::outsiders::{openwhisk_client, whole_openwhisk_client};
use serde_json::{Value, json};

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

/// Results of the steps of the client.
struct Told(BTreeMap<String, Value>);

impl Told {
    fn of(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("no step {name}: {:#?}", self.0))
    }

    fn is(&self, name: &str, expected: Value) {
        assert_eq!(self.of(name), &expected, "{name}");
    }

    /// Asserts that a step failed with this status, and an error that contains `text`.
    fn failed(&self, name: &str, status: u16, text: &str) {
        let failure = self.of(name);
        assert_eq!(failure["statusCode"], status, "{name}: {failure}");
        let message = failure["message"].as_str().unwrap_or_default();
        assert!(message.contains(text), "{name}: {failure}");
    }

    /// Returns the result of a web action's response.
    fn web(&self, name: &str) -> Value {
        let response = self.of(name);
        assert_eq!(response["status"], 200, "{name}: {response}");
        serde_json::from_str(response["text"].as_str().unwrap()).unwrap()
    }
}

#[test]
fn openwhisks_own_client_drives_all_that_a_node_has() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let host = format!("http://{}", node.address());
    let told = Told(whole_openwhisk_client(&host, &key_of("team-a"), "team-a"));
    check_packages_and_sequences(&told);
    check_web_actions(&told);
    check_limits_and_failures(&told);
    check_activations(&told);
    check_missing(&told);

    let id = &told.of("handed over")["activationId"];
    assert!(id.is_string(), "{}", told.of("handed over"));
    let later = told.of("ended later");
    assert_eq!(&later["activationId"], id);
    assert_eq!(later["response"]["result"], json!({ "slept": 63_000 }));

    told.is("package deleted", json!("tools"));
    told.failed("package gone", 404, "does not exist");
    let nothing = json!({ "actions": [], "packages": [], "triggers": [], "rules": [] });
    told.is("nothing left", nothing);
}

fn check_packages_and_sequences(told: &Told) {
    let package = told.of("package");
    assert_eq!((&package["name"], &package["publish"]), (&json!("tools"), &json!(true)));
    assert_eq!(package["annotations"], json!([{ "key": "description", "value": "tools" }]));
    assert_eq!(told.of("binding")["binding"], json!({ "namespace": "team-a", "name": "tools" }));
    told.is("through the package", json!({ "from": "package", "own": 1 }));
    told.is("through the binding", json!({ "from": "binding", "own": 1, "more": 2 }));
    told.is("packages", json!(["bound", "tools"]));
    told.is("packages counted", json!({ "packages": 2 }));
    assert_eq!(told.of("package got")["actions"][0]["name"], "echo");
    told.failed("package not empty", 409, "contains 1 entity");
    told.failed("package again", 409, "already exists");

    let components = json!(["/team-a/tools/echo", "/team-a/bound/echo"]);
    assert_eq!(told.of("sequence")["components"], components);
    let record = told.of("sequence record");
    let result = json!({ "from": "package", "own": 1, "through": "both" });
    assert_eq!(record["response"]["result"], result);
    assert_eq!(record["logs"].as_array().map(Vec::len), Some(2));
    assert_eq!(told.of("sequence step")["cause"], record["activationId"]);
    told.is("sequence updated", json!("0.0.2"));
    told.failed("sequence of nothing", 400, "does not exist");
}

fn check_web_actions(told: &Told) {
    let result = told.web("web json");
    assert_eq!(
        (&result["x"], &result["fixed"], &result["__ow_method"]),
        (&json!("1"), &json!(1), &json!("get"))
    );
    assert_eq!(told.web("web post")["y"], 2);
    assert_eq!(told.of("web protected")["status"], 400);
    assert_eq!(told.of("web in a package")["status"], 404, "it is not exported");
    assert_eq!(told.of("web without its key")["status"], 401);
    let raw = told.web("web with its key");
    assert_eq!((&raw["__ow_query"], raw.get("a")), (&json!("a=b"), None));
}

fn check_limits_and_failures(told: &Told) {
    let limits = |memory| json!({ "timeout": 5000, "memory": memory, "logs": 1, "concurrency": 1 });
    told.is("limits", limits(128));
    told.is("limits changed", limits(256));
    told.failed("limits beyond", 400, "exceeds");
    let annotations = told.of("annotated").as_array().unwrap();
    assert!(annotations.contains(&json!({ "key": "mine", "value": { "a": 1 } })));
    told.failed("timed out", 502, "");
    told.failed("failed", 502, "");
}

fn check_activations(told: &Told) {
    told.is("by name", json!([3, 2, 1, 0]));
    told.is("by limit and skip", json!([2, 1]));
    told.is("since", json!([3, 2, 1]));
    told.is("upto", json!([0]));
    told.is("since and upto", json!([1, 0]));
    told.is("counted", json!({ "activations": 4 }));
    let whole = told.of("with docs");
    assert_eq!(whole["response"]["status"], "success");
    let lines = whole["logs"].as_array().unwrap();
    let of =
        |stream: &str| lines.iter().filter(|line| line.as_str().unwrap().contains(stream)).count();
    assert_eq!((of(" stdout: "), of(" stderr: ")), (2, 2), "{whole}");
    assert!(told.of("of a package").as_u64() > Some(2));
    assert_eq!(told.of("logs")["logs"].as_array().map(Vec::len), Some(4));
    assert_eq!(told.of("result")["success"], true);
    told.failed("beyond the limit", 400, "0 to 200");
}

fn check_missing(told: &Told) {
    told.is("namespaces", json!(["team-a"]));
    let namespace = told.of("namespace");
    assert_eq!((&namespace["triggers"], &namespace["rules"]), (&json!([]), &json!([])));
    assert!(namespace["actions"].as_array().unwrap().len() > 3);
    for name in ["created", "fired", "got", "deleted"] {
        told.failed(&format!("trigger {name}"), 501, "a node has no triggers");
    }
    told.failed("rule created", 501, "a node has no rules");
    told.failed("rule enabled", 501, "a node has no rules");
    told.failed("routes", 501, "web actions have URLs of their own");
    told.failed("route created", 501, "web actions have URLs of their own");
    told.failed("feed", 403, "not authorized");
}
