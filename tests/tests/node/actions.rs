//! Actions, invocations, sequences and activation records.

use keynet_tests::{Sandbox, guest};
use serde_json::{Value, json};

use super::node;

#[test]
fn an_action_is_created_changed_invoked_and_removed() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    let created = team.deploy(
        "hello",
        &guest("hello"),
        &json!({ "parameters": [{ "key": "name", "value": "Ada" }] }),
    );
    assert_eq!(created.status, 200, "{}", created.text());
    let created = created.json();
    assert_eq!(
        (&created["namespace"], &created["version"], &created["limits"]["memory"]),
        (&json!("team-a"), &json!("0.0.1"), &json!(256))
    );
    let answer = team.invoke("hello", &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["greeting"], json!("Hello, Ada!"));
    assert_eq!(team.invoke("hello", &json!({ "name": "Bo" })).json()["greeting"], "Hello, Bo!");

    let again = team.call(
        "PUT",
        "/_/actions/hello",
        &json!({ "exec": { "kind": "wasm:component", "code": "AAAA" } }),
    );
    assert_eq!((again.status, &again.json()["error"]), (409, &json!("resource already exists")));
    let change =
        json!({ "limits": { "memory": 128 }, "annotations": [{ "key": "a", "value": 1 }] });
    let changed = team.call("PUT", "/_/actions/hello?overwrite=true", &change).json();
    assert_eq!((&changed["version"], &changed["limits"]["memory"]), (&json!("0.0.2"), &json!(128)));
    assert_eq!(team.invoke("hello", &json!({})).json()["greeting"], "Hello, Ada!");

    let listed = team.get("/_/actions");
    assert_eq!((&listed[0]["name"], listed.as_array().unwrap().len()), (&json!("hello"), 1));
    assert_eq!(team.get("/_/actions?count=true"), json!({ "actions": 1 }));
    assert!(team.get("/_/actions/hello?code=false")["exec"].get("code").is_none());
    assert!(team.get("/_/actions/hello")["exec"]["code"].as_str().unwrap().len() > 1000);
    assert_eq!(team.call("DELETE", "/_/actions/hello", &Value::Null).status, 200);
    assert_eq!(team.call("GET", "/_/actions/hello", &Value::Null).status, 404);
    assert_eq!(team.invoke("hello", &json!({})).status, 404);
}

#[test]
fn an_activation_is_recorded_with_its_logs_and_its_result() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    team.deployed("contract", &guest("contract"));
    let begun = team.call("POST", "/_/actions/contract", &json!({ "x": 1.50 }));
    assert_eq!(begun.status, 202, "{}", begun.text());
    let id = begun.json()["activationId"].as_str().unwrap().to_owned();
    let record = team.record(&id);
    assert_eq!(record["response"]["status"], "success");
    assert_eq!(record["response"]["result"], json!({ "x": 1.5 }));
    let logs: Vec<&str> =
        record["logs"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(logs.iter().any(|line| line.ends_with("stdout: hello stdout")), "{logs:?}");
    assert!(logs.iter().any(|line| line.ends_with("stderr: hello stderr")), "{logs:?}");
    let annotation = |key: &str| {
        let all = record["annotations"].as_array().unwrap();
        all.iter().find(|one| one["key"] == key).map(|one| one["value"].clone())
    };
    assert_eq!(annotation("path"), Some(json!("team-a/contract")));
    assert!(annotation("keynet-digest").unwrap().as_str().unwrap().starts_with("sha256:"));
    assert_eq!(team.get(&format!("/_/activations/{id}/logs"))["logs"], record["logs"]);
    assert_eq!(team.get(&format!("/_/activations/{id}/result")), record["response"]);
    let listed = team.get("/_/activations?name=contract&limit=1");
    assert_eq!((&listed[0]["activationId"], &listed[0]["statusCode"]), (&json!(id), &json!(0)));
    assert!(listed[0].get("logs").is_none() && listed[0].get("response").is_none());
    assert_eq!(team.get("/_/activations?name=other"), json!([]));
    assert_eq!(team.get("/_/activations?count=true"), json!({ "activations": 1 }));
    let future = record["start"].as_u64().unwrap() + 60_000;
    assert_eq!(team.get(&format!("/_/activations?since={future}")), json!([]));
}

#[test]
fn failures_have_the_statuses_of_a_container() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    team.deployed("contract", &guest("contract"));
    for (parameters, status, text) in [
        (json!({ "do": "error" }), "application error", "the picture is empty"),
        (json!({ "do": "error-object" }), "application error", "no such picture"),
        (json!({ "do": "throw", "message": "at once" }), "application error", "at once"),
        (json!({ "do": "exit" }), "application error", "called exit("),
    ] {
        let answer = team.call("POST", "/_/actions/contract?blocking=true", &parameters);
        assert_eq!(answer.status, 502, "{parameters}: {}", answer.text());
        let record = answer.json();
        assert_eq!(record["response"]["status"], status, "{parameters}");
        assert!(record["response"]["result"]["error"].to_string().contains(text), "{record}");
    }
    let limits = json!({ "limits": { "timeout": 300 } });
    assert_eq!(team.deploy("slow", &guest("contract"), &limits).status, 200);
    let answer = team.invoke("slow", &json!({ "do": "compute" }));
    assert!(
        answer.status == 502 && answer.text().contains("did not finish within"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_sequence_passes_results_on_and_stops_at_an_error() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    team.deployed("hello", &guest("hello"));
    team.deployed("contract", &guest("contract"));
    let sequence =
        |components: &Value| json!({ "exec": { "kind": "sequence", "components": components } });
    let body = sequence(&json!(["/_/contract", "/team-a/hello"]));
    let made = team.call("PUT", "/_/actions/both", &body);
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.json()["exec"]["components"], json!(["/team-a/contract", "/team-a/hello"]));
    let answer = team.call("POST", "/_/actions/both?blocking=true", &json!({ "name": "Eve" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["response"]["result"]["greeting"], "Hello, Eve!");
    let record = team.record(answer.json()["activationId"].as_str().unwrap());
    let steps = record["logs"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{record}");
    let step = team.record(steps[0].as_str().unwrap());
    assert_eq!(step["cause"], record["activationId"]);
    let failed = team.invoke("both", &json!({ "do": "error" }));
    assert!(failed.status == 502 && failed.text().contains("the picture is empty"));
    let missing = team.call("PUT", "/_/actions/none", &sequence(&json!(["/_/nothing"])));
    assert_eq!(missing.status, 400, "{}", missing.text());
}

#[test]
fn what_cannot_run_is_not_created() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    let put = |exec: Value| {
        let answer = team.call("PUT", "/_/actions/a", &json!({ "exec": exec }));
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    for (exec, status, text) in [
        (json!({ "kind": "nodejs:20", "code": "x" }), 400, "wasm:component"),
        (json!({ "kind": "wasm:component", "code": "AAAA" }), 400, "neither a component"),
        (
            json!({ "kind": "wasm:component", "code": "AGFzbQEAAAA=" }),
            400,
            "core WebAssembly module",
        ),
        (json!({ "kind": "wasm:component", "code": "oci://r.example.com/a:1" }), 400, "digest"),
    ] {
        let (found, error) = put(exec.clone());
        assert!(found == status && error.contains(text), "{exec}: {found} {error}");
    }
    assert_eq!(team.get("/_/actions"), json!([]));
    for (path, status) in [
        ("/_/triggers", 200), // none
        ("/_/triggers/x", 501),
        ("/_/rules/x", 501),
        ("/_/nothing", 404),
        ("/_/actions/..%2f..%2fx", 400),
        ("/_/actions/%00", 400),
        ("/_/activations/zz", 400),
        ("/team-b/actions", 403),
        ("/_/actions?limit=1000", 400),
    ] {
        assert_eq!(team.call("GET", path, &Value::Null).status, status, "{path}");
    }
}
