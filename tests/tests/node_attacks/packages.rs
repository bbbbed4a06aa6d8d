//! Packages and bindings of another namespace.

use keynet_tests::{guest, http};
use serde_json::{Value, json};

use super::Attacked;

#[test]
fn a_package_is_used_by_evil_only_while_good_shares_it_and_its_parameters_are_not_shown() {
    let attacked = Attacked::start("", "");
    let (good, evil) = (&attacked.good, &attacked.evil);
    let secret = json!([{ "key": "password", "value": "open sesame" }]);
    let package = |publish: bool| {
        let body = json!({ "publish": publish, "parameters": secret });
        let answer = good.call("PUT", "/_/packages/p?overwrite=true", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    package(false);
    let own = json!({ "parameters": [{ "key": "token", "value": "open sesame" }] });
    assert_eq!(good.deploy("p/hello", &guest("hello"), &own).status, 200);
    let binding = json!({ "binding": { "namespace": "good", "name": "p" } });
    let bind = |name: &str| evil.call("PUT", &format!("/_/packages/{name}"), &binding).status;
    let read = |path: &str| evil.call("GET", path, &Value::Null);
    let run = |path: &str| {
        evil.call("POST", &format!("{path}?blocking=true&result=true"), &json!({})).status
    };
    assert_eq!(bind("bound"), 403);
    for path in
        ["/good/packages/p", "/good/actions/p/hello", "/good/actions/p/", "/good/packages/none"]
    {
        assert_eq!(read(path).status, 403, "{path}");
    }
    assert_eq!(run("/good/actions/p/hello"), 403);
    let sequence = json!({ "exec": { "kind": "sequence", "components": ["/good/p/hello"] } });
    assert_eq!(evil.call("PUT", "/_/actions/s", &sequence).status, 403);

    package(true);
    assert_eq!(bind("bound"), 200);
    assert_eq!(evil.call("PUT", "/_/actions/s", &sequence).status, 200);
    for path in [
        "/good/packages/p",
        "/good/actions/p/hello",
        "/good/packages",
        "/_/packages/bound",
        "/_/actions/bound/hello",
        "/good/actions/p/",
    ] {
        let answer = read(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.text().contains("sesame"), "{path}: {}", answer.text());
        assert_eq!(answer.json()["exec"]["code"], Value::Null, "{path}");
    }
    assert!(run("/_/actions/bound/hello") != 403 && run("/good/actions/p/hello") != 403);
    assert_eq!(evil.call("DELETE", "/good/actions/p/hello", &Value::Null).status, 403);
    assert_eq!(evil.call("PUT", "/_/actions/bound/x", &json!({})).status, 400);

    package(false);
    assert_eq!((run("/_/actions/bound/hello"), run("/good/actions/p/hello")), (403, 403));
    assert_eq!(read("/_/actions/bound/hello").status, 403);
    let answer = evil.invoke("s", &json!({}));
    assert_eq!(answer.status, 502, "{}", answer.text());
    // What ran for evil is in its own records, and what good sees is unchanged.
    assert_eq!(good.get("/_/activations?name=p/hello"), json!([]));
}

#[test]
fn evil_cannot_read_the_secret_of_a_shared_web_action() {
    let attacked = Attacked::start("", "");
    let (good, evil) = (&attacked.good, &attacked.evil);
    assert_eq!(good.call("PUT", "/_/packages/p", &json!({ "publish": true })).status, 200);
    let web = |secret: Value| {
        json!({ "annotations": [
            { "key": "web-export", "value": true }, { "key": "require-whisk-auth", "value": secret },
        ] })
    };
    for (name, secret) in [("text", json!("open sesame")), ("number", json!(7_349_211))] {
        let deployed = good.deploy(&format!("p/{name}"), &guest("contract"), &web(secret));
        assert_eq!(deployed.status, 200, "{}", deployed.text());
        for path in ["/good/packages/p", "/good/actions/p/", &format!("/good/actions/p/{name}")] {
            let shown = evil.call("GET", path, &Value::Null);
            assert_eq!(shown.status, 200, "{path}");
            for secret in ["sesame", "7349211"] {
                assert!(!shown.text().contains(secret), "{path}: {}", shown.text());
            }
            assert!(shown.text().contains("require-whisk-auth"), "{path}: {}", shown.text());
        }
    }
    assert!(good.call("GET", "/_/actions/p/text", &Value::Null).text().contains("open sesame"));
}

#[test]
fn evil_does_not_decide_when_its_code_runs_in_good_that_bound_its_package() {
    let attacked = Attacked::start("", "");
    let (good, evil) = (&attacked.good, &attacked.evil);
    assert_eq!(evil.call("PUT", "/_/packages/p", &json!({ "publish": true })).status, 200);
    let web = json!({ "annotations": [{ "key": "web-export", "value": true }] });
    assert_eq!(evil.deploy("p/x", &guest("contract"), &web).status, 200);
    let binding = |namespace: &str| json!({ "binding": { "namespace": namespace, "name": "p" } });
    assert_eq!(good.call("PUT", "/_/packages/theirs", &binding("evil")).status, 200);
    assert_eq!(good.call("PUT", "/_/packages/p", &json!({})).status, 200);
    assert_eq!(good.deploy("p/x", &guest("contract"), &web).status, 200);
    assert_eq!(good.call("PUT", "/_/packages/own", &binding("_")).status, 200);
    let call = |path: &str| {
        http(attacked.node.address(), "GET", &format!("/api/v1/web/{path}.json"), &[], b"").status
    };
    assert_eq!((call("evil/p/x"), call("good/own/x"), call("good/theirs/x")), (200, 200, 404));
    assert_eq!(good.invoke("theirs/x", &json!({})).status, 200, "good itself can run it");
}
