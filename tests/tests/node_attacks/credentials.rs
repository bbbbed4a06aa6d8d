//! Keys and credentials of backends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keynet_tests::node::{Node, Tenant, key_of};
use keynet_tests::{Sandbox, guest, http};
use serde_json::{Value, json};

use super::Attacked;

const SECRET: &str = "sesame-0123456789-abcdefghijklmnop";

/// Returns the files below `folder` that contain `text`.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn credentials_are_in_no_environment_error_record_description_or_database() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("node-config");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = format!(
        "S3_ENDPOINT=http://127.0.0.1:9\nAWS_ACCESS_KEY_ID=AKIA{SECRET}\n\
        AWS_SECRET_ACCESS_KEY={SECRET}\nTRITON_URL=http://127.0.0.1:9\n"
    );
    std::fs::write(folder.join("good.env"), settings).unwrap();
    std::fs::set_permissions(folder.join("good.env"), PermissionsExt::from_mode(0o600)).unwrap();
    let tenants = [Tenant::new("good").with("settings-file = 'good.env'"), Tenant::new("evil")];
    let node = Node::start(&sandbox, "", &tenants);
    let mut seen = Vec::new();
    for name in ["good", "evil"] {
        let client = node.client(name);
        client.deployed("evil", &guest("evil"));
        for attack in [
            json!({ "do": "environment" }),
            json!({ "do": "get", "location": "anything" }),
            json!({ "do": "put", "location": "anything", "text": "x" }),
            json!({ "do": "presign", "location": "anything" }),
            json!({ "do": "panic", "text": "x" }),
        ] {
            let answer = client.call("POST", "/_/actions/evil?blocking=true", &attack);
            let id = answer.json()["activationId"].as_str().unwrap().to_owned();
            seen.push(answer.text().to_owned());
            seen.push(client.record(&id).to_string());
        }
        for path in ["", "/_/limits", "/_/actions", "/_/actions/evil?code=false", "/_/activations"]
        {
            seen.push(client.get(path).to_string());
        }
    }
    for target in ["/", "/ready", "/api/v1"] {
        seen.push(http(node.address(), "GET", target, &[], b"").text().to_owned());
    }
    for text in seen {
        for secret in [SECRET, &key_of("good"), &key_of("evil")] {
            // A presigned URL names the access key, which is no secret.
            let shown = text.replace(&format!("AKIA{SECRET}"), "");
            assert!(!shown.contains(secret), "{text}");
        }
    }
    let data = sandbox.path("node-data");
    for secret in [SECRET, &key_of("good"), &key_of("evil")] {
        assert_eq!(files_with(&data, secret), Vec::<String>::new());
    }
}

#[test]
fn an_action_of_evil_does_not_get_the_key_of_good_which_runs_it() {
    let attacked = Attacked::start("", "");
    let shared = attacked.evil.call("PUT", "/_/packages/shared", &json!({ "publish": true }));
    assert_eq!(shared.status, 200, "{}", shared.text());
    let key = json!({ "annotations": [{ "key": "provide-api-key", "value": true }] });
    let deployed = attacked.evil.deploy("shared/contract", &guest("contract"), &key);
    assert_eq!(deployed.status, 200, "{}", deployed.text());
    let environment = json!({ "do": "environment" });
    let run = |client: &keynet_tests::node::Client, path: &str| {
        client.call("POST", &format!("{path}?blocking=true&result=true"), &environment).json()
    };
    let own = run(&attacked.evil, "/_/actions/shared/contract");
    assert_eq!(own["__OW_API_KEY"], key_of("evil"));
    let others = run(&attacked.good, "/evil/actions/shared/contract");
    assert_eq!(others["__OW_NAMESPACE"], "good", "{others}");
    assert_eq!(others["__OW_API_KEY"], Value::Null, "{others}");
}

#[test]
fn guessed_keys_open_nothing() {
    let attacked = Attacked::start("", "");
    let good = key_of("good");
    let (id, secret) = good.split_once(':').unwrap();
    for forged in [
        format!("{id}:{}", "0".repeat(secret.len())),
        format!("{id}:{secret}\0"),
        format!("{id}::{secret}"),
        format!(" {good}"),
        format!("good:{secret}"),
        "x".repeat(10_000),
        "good".to_owned(),
    ] {
        let answer = attacked.evil.with_key(&forged).call("GET", "/good/actions", &Value::Null);
        assert_eq!(answer.status, 401, "{forged:?}");
    }
    for header in ["Basic", "Basic ", "Basic !!!", "Bearer x", "Digest x", "\u{fc}"] {
        let headers = [("authorization", header)];
        let target = "/api/v1/namespaces/good/actions";
        let answer = http(attacked.node.address(), "GET", target, &headers, b"");
        assert_eq!(answer.status, 401, "{header:?}");
    }
}
