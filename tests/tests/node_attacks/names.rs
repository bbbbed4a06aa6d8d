//! Names that try to be paths.

use keynet_tests::{guest, http};
use serde_json::{Value, json};

use super::Attacked;

#[test]
fn a_name_is_no_path() {
    let attacked = Attacked::start("", "");
    let evil = &attacked.evil;
    let contract = guest("contract");
    for name in [
        "..",
        ".",
        "%2e%2e",
        "..%2Fgood%2Fx",
        "%2Fgood%2Fx",
        "a%00b",
        "a%0Ab",
        "a%0d%0aX: y",
        "%ff%fe",
        "-a",
        "a%5Cb",
        "a%20",
        "%E2%80%AE",
    ] {
        let answer = evil.deploy(name, &contract, &json!({}));
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
        let answer = evil.call("PUT", &format!("/_/packages/{name}"), &json!({}));
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
        let answer = evil.call("GET", &format!("/{name}/actions"), &Value::Null);
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
        for rest in ["", "/logs", "/result"] {
            let answer = evil.call("GET", &format!("/_/activations/{name}{rest}"), &Value::Null);
            assert!(
                (400..500).contains(&answer.status),
                "{name}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
    let target = format!("/api/v1/web/{}", "../".repeat(50));
    assert_eq!(http(attacked.node.address(), "GET", &target, &[], b"").status, 404);
    assert_eq!(evil.get("/_/packages"), json!([]));
    assert_eq!(attacked.good.get("/_/actions").as_array().unwrap().len(), 2);
}

#[test]
fn evil_reaches_no_entity_of_good_by_any_spelling_of_its_namespace() {
    let attacked = Attacked::start("", "");
    for namespace in ["good", "_/../good", "evil/../good", "%67ood", "Good", "good%20", "./good"] {
        for (method, rest) in [
            ("GET", "actions"),
            ("GET", "actions/contract"),
            ("PUT", "actions/contract?overwrite=true"),
            ("DELETE", "actions/contract"),
            ("POST", "actions/contract?blocking=true"),
            ("PUT", "packages/new"),
            ("DELETE", "packages/new"),
            ("GET", "activations"),
            ("GET", "limits"),
        ] {
            let path = format!("/{namespace}/{rest}");
            let answer = attacked.evil.call(method, &path, &json!({}));
            assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.text());
            assert!(!answer.text().contains("activationId"), "{}", answer.text());
        }
    }
    attacked.good_answers(1);
}
