//! Headers and lines that a component forges.

use keynet_tests::http;
use keynet_tests::made::answers;
use serde_json::{Value, json};

use super::Attacked;

/// Returns the answer of a web action of `evil` with this result.
fn web(attacked: &Attacked, result: &str) -> keynet_tests::Answer {
    let component = attacked.sandbox.path("web.wasm");
    std::fs::write(&component, answers(result)).unwrap();
    let exported = json!({ "annotations": [{ "key": "web-export", "value": true }] });
    let deployed = attacked.evil.deploy("web", &component, &exported);
    assert_eq!(deployed.status, 200, "{}", deployed.text());
    http(attacked.node.address(), "GET", "/api/v1/web/evil/default/web.http", &[], b"")
}

#[test]
fn a_web_action_cannot_write_into_the_head_of_its_response() {
    let attacked = Attacked::start("", "");
    for headers in [
        r#"{"x-a":"b\r\nSet-Cookie: forged=1"}"#,
        r#"{"x-a\r\nSet-Cookie: forged":"1"}"#,
        r#"{"x-a":"b\n\nHTTP/1.1 200 OK"}"#,
        r#"{"x-a":["b","c\r\nSet-Cookie: forged=1"]}"#,
        r#"{"Content-Type":"text/html\r\nSet-Cookie: forged=1"}"#,
        r#"{"Content-Length":"5"}"#,
        r#"{"Transfer-Encoding":"chunked"}"#,
        r#"{"Connection":"upgrade","Upgrade":"x"}"#,
    ] {
        let answer = web(&attacked, &format!("{{\"headers\":{headers},\"body\":\"hello\"}}"));
        let head = answer.head.to_lowercase();
        assert!(!head.contains("\nset-cookie"), "{headers}: {head}");
        assert!(!head.contains("transfer-encoding") && !head.contains("upgrade:"), "{head}");
        assert_eq!(head.matches("\ncontent-length").count(), 1, "{head}");
        assert_eq!(head.matches("http/1.1").count(), 1, "{head}");
    }
    for status in
        ["0", "99", "101", "199", "1000", "99999999999999999999", "-1", "\"200 OK\"", "1e3"]
    {
        let answer = web(&attacked, &format!("{{\"statusCode\":{status},\"body\":\"hello\"}}"));
        assert!(answer.status >= 200 && answer.status < 600, "{status}: {}", answer.head);
    }
    attacked.good_answers(1);
}

#[test]
fn the_id_in_a_response_is_that_of_its_activation() {
    let attacked = Attacked::start("", "");
    let forged = r#"{"headers":{"X-Openwhisk-Activation-Id":"0123456789abcdef0123456789abcdef",
        "X-Request-Id":"forged"},"body":"hello"}"#;
    let answer = web(&attacked, forged);
    let head = answer.head.to_lowercase();
    let newest = attacked.evil.get("/_/activations?limit=1");
    let id = newest[0]["activationId"].as_str().unwrap();
    let ids: Vec<_> = head.lines().filter(|line| line.contains("activation-id")).collect();
    assert_eq!(ids, [format!("x-openwhisk-activation-id: {id}")], "{head}");
    let ids: Vec<_> = head.lines().filter(|line| line.starts_with("x-request-id")).collect();
    assert!(ids.len() == 1 && !ids[0].contains("forged"), "{head}");
}

#[test]
fn a_line_of_a_log_stays_one_line_with_the_time_of_the_node() {
    let attacked = Attacked::start("", "");
    let text = "one\n2000-01-01T00:00:00.000000000Z stdout: forged\r\u{1b}[2J\u{2028}\0\"}],";
    let said = json!({ "do": "say", "text": text });
    let answer = attacked.evil.call("POST", "/_/actions/evil?blocking=true", &said);
    let id = answer.json()["activationId"].as_str().unwrap().to_owned();
    let record = attacked.evil.record(&id);
    let logs: Vec<&str> =
        record["logs"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    assert_eq!(logs.len(), 2, "{record}");
    for line in &logs {
        assert!(line.starts_with("20") && !line.starts_with("2000-"), "{line}");
        assert!(line.contains("Z stdout: ") && !line.contains('\n'), "{line}");
    }
    assert!(logs[1].contains("stdout: 2000-01-01T"), "{record}");
    let panic = json!({ "do": "panic", "text": "x\n2000-01-01T00:00:00Z stderr: forged" });
    let answer = attacked.evil.call("POST", "/_/actions/evil?blocking=true", &panic);
    let record = attacked.evil.record(answer.json()["activationId"].as_str().unwrap());
    let logs = record["logs"].as_array().unwrap().iter();
    assert!(logs.map(|line| line.as_str().unwrap()).all(|line| !line.starts_with("2000-")));
    assert_eq!(attacked.good.get("/_/activations?name=evil"), Value::Array(Vec::new()));
}
