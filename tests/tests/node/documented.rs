//! The table of the API in `docs/node.md`: each of its requests is sent.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use keynet_tests::node::Client;
use keynet_tests::{Sandbox, guest, http, root};
use serde_json::{Value, json};

use super::node;

/// Row of the table.
struct Row {
    /// Method, and path below `/api/v1` or from the root.
    requests: Vec<(String, String)>,
    status: u16,
    note: String,
}

fn rows() -> Vec<Row> {
    let page = std::fs::read_to_string(root().join("docs/node.md")).unwrap();
    let section = page.split("## The API\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [requests, status, note] = cells[..] else { panic!("three cells: {line}") };
        let requests = requests.split('`').skip(1).step_by(2).map(|request| {
            let (method, path) = request.split_once(' ').expect("a method and a path");
            (method.to_owned(), path.to_owned())
        });
        Row {
            requests: requests.collect(),
            status: status.parse().unwrap_or_else(|_| panic!("a status: {line}")),
            note: note.to_owned(),
        }
    })
    .collect()
}

/// Creates what the requests name anew, and returns the values of their placeholders.
fn placeholders(team: &Client) -> [(&'static str, String); 3] {
    let web = json!({ "annotations": [{ "key": "web-export", "value": true }] });
    assert_eq!(team.deploy("NAME", &guest("contract"), &web).status, 200);
    for package in ["PACKAGE", "EMPTY"] {
        let put = format!("/_/packages/{package}?overwrite=true");
        assert_eq!(team.call("PUT", &put, &json!({})).status, 200);
    }
    assert_eq!(team.deploy("PACKAGE/NAME", &guest("contract"), &json!({})).status, 200);
    let run = team.call("POST", "/_/actions/NAME?blocking=true", &json!({}));
    let id = run.json()["activationId"].as_str().unwrap().to_owned();
    let stored = team.send("POST", "/_/pictures", "image/png", b"\x89PNG\r\n\x1a\n picture");
    let location = stored.json()["location"].as_str().unwrap().to_owned();
    [("NAMESPACE", "team-a".to_owned()), ("ID", id), ("LOCATION", location)]
}

/// Returns the body of a request.
fn body(method: &str, path: &str) -> Vec<u8> {
    let last = path.split('?').next().unwrap().rsplit('/').next().unwrap();
    let last = last.split('.').next().unwrap();
    let code = || BASE64_STANDARD.encode(std::fs::read(guest("contract")).unwrap());
    let json: Value = match (method, last) {
        ("PUT", "NAME") => json!({ "exec": { "kind": "wasm:component", "code": code() } }),
        ("PUT", "SEQUENCE") => {
            json!({ "exec": { "kind": "sequence", "components": ["/_/NAME", "/_/PACKAGE/NAME"] } })
        }
        ("PUT", "CONDUCTOR") => json!({
            "exec": { "kind": "wasm:component", "code": code() },
            "annotations": [{ "key": "conductor", "value": true }],
        }),
        ("PUT", "OTHER-KIND") => json!({ "exec": { "kind": "nodejs:20", "code": "x" } }),
        ("PUT", "BINDING") => json!({ "binding": { "namespace": "_", "name": "PACKAGE" } }),
        ("POST", "pictures") => return b"\x89PNG\r\n\x1a\n another".to_vec(),
        ("PUT" | "POST", "PACKAGE" | "NAME" | "TRIGGER" | "RULE" | "createApi") => json!({}),
        ("GET" | "DELETE", _) => return Vec::new(),
        _ => panic!("the test has no body for {method} {path}"),
    };
    json.to_string().into_bytes()
}

#[test]
fn each_row_of_the_documented_api_is_true() {
    let sandbox = Sandbox::new();
    let node = node(&sandbox);
    let team = node.client("team-a");
    let rows = rows();
    assert!(rows.len() > 25, "{}", rows.len());
    for Row { requests, status, note } in &rows {
        assert!(!requests.is_empty(), "{note}");
        for (method, path) in requests {
            let mut target = path.clone();
            for (name, value) in placeholders(&team) {
                target = target.replace(name, &value);
            }
            let body = body(method, path);
            let answer = match target.strip_prefix("/namespaces") {
                Some(below) => team.send(method, below, "application/json", &body),
                None => {
                    let prefix = if target.starts_with("/web/") { "/api/v1" } else { "" };
                    let kind = [("content-type", "application/json")];
                    http(node.address(), method, &format!("{prefix}{target}"), &kind, &body)
                }
            };
            assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text());
            if *status == 501 {
                let error = answer.json()["error"].as_str().unwrap().to_owned();
                assert!(error.contains(note), "{method} {path}: {error:?} lacks {note:?}");
            }
        }
    }
}

#[test]
fn the_table_has_the_requests_that_clients_of_openwhisk_send() {
    let rows = rows();
    let documented = |request: &str| {
        rows.iter().any(|row| {
            row.requests.iter().any(|(method, path)| format!("{method} {path}") == request)
        })
    };
    for collection in ["actions", "packages", "activations", "triggers", "rules"] {
        let list = format!("GET /namespaces/_/{collection}");
        assert!(documented(&list), "{list}");
    }
    for request in [
        "GET /namespaces",
        "POST /namespaces/_/actions/NAME",
        "POST /namespaces/_/actions/NAME?blocking=true",
        "POST /namespaces/_/actions/NAME?blocking=true&result=true",
        "GET /namespaces/_/activations/ID/logs",
        "GET /namespaces/_/activations/ID/result",
        "GET /web/NAMESPACE/default/NAME.json",
        "PUT /namespaces/_/triggers/TRIGGER",
        "PUT /namespaces/_/rules/RULE",
        "GET /web/whisk.system/apimgmt/getApi.http",
    ] {
        assert!(documented(request), "{request}");
    }
}
