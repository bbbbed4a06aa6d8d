//! Validation of the stand-in for OpenWhisk with the client of OpenWhisk's own project, which was
//! written for the real API.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]

use keynet_tests::Sandbox;
use keynet_tests::openwhisk_api::{IMAGE, KEY, OpenWhisk, Setup};
use keynet_tests::outsiders::openwhisk_client;
use serde_json::json;

#[test]
fn openwhisks_own_client_makes_changes_runs_and_removes_an_action() {
    let sandbox = Sandbox::new();
    let openwhisk = OpenWhisk::running(&sandbox, Setup::default());
    let told = openwhisk_client(openwhisk.host(), KEY, IMAGE);
    let step = |name: &str| told.get(name).unwrap_or_else(|| panic!("no step {name}: {told:#?}"));

    assert_eq!(step("namespaces"), &json!(["guest"]));
    assert_eq!(step("none"), &json!([]));
    let created = step("created");
    assert_eq!(
        (&created["namespace"], &created["name"], &created["version"]),
        (&json!("guest"), &json!("hello"), &json!("0.0.1"))
    );
    assert_eq!(
        (&created["exec"]["kind"], &created["exec"]["binary"]),
        (&json!("blackbox"), &json!(true))
    );
    assert_eq!(
        created["limits"],
        json!({ "timeout": 30000, "memory": 256, "logs": 10, "concurrency": 1 })
    );
    assert_eq!(
        created["parameters"],
        json!([{ "key": "n", "value": 1.5 }, { "key": "name", "value": "Ada" }])
    );
    assert_eq!(
        created["annotations"],
        json!([{ "key": "exec", "value": "blackbox" }, { "key": "provide-api-key", "value": false }])
    );
    assert_eq!(
        (&step("again")["statusCode"], &step("again")["error"]["error"]),
        (&json!(409), &json!("resource already exists"))
    );
    let updated = step("updated");
    assert_eq!(
        (&updated["version"], &updated["limits"]["memory"], &updated["limits"]["timeout"]),
        (&json!("0.0.2"), &json!(512), &json!(30000))
    );
    assert!(
        updated["annotations"]
            .as_array()
            .unwrap()
            .contains(&json!({ "key": "mine", "value": { "a": 1 } })),
        "{updated}"
    );
    assert!(step("got")["exec"].get("code").is_none(), "{}", step("got"));
    assert_eq!(
        (&step("listed")[0]["name"], step("counted")),
        (&json!("hello"), &json!({ "actions": 1 }))
    );

    let record = step("record");
    assert_eq!(
        (&record["response"]["status"], &record["response"]["success"]),
        (&json!("success"), &json!(true)),
        "{record}"
    );
    assert_eq!(
        step("result")["greeting"].as_str().map(|text| text.contains("Bea")),
        Some(true),
        "{}",
        step("result")
    );
    let activation = step("activation");
    assert_eq!(&activation["activationId"], step("accepted"));
    assert!(
        activation["response"]["result"]["greeting"].as_str().unwrap().contains("Cleo"),
        "{activation}"
    );
    assert_eq!(step("activation result"), &activation["response"]);
    assert_eq!(step("activation logs")["logs"], activation["logs"]);
    assert!(
        step("activations")
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["activationId"] == activation["activationId"])
    );
    let failed = |name: &str| {
        (
            step(name)["statusCode"].as_u64().unwrap_or(0),
            step(name)["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    for (name, status, says) in [
        ("no such activation", 404, "does not exist"),
        ("no activation id", 400, "length is 8 but must be 32"),
        ("no such package", 404, "does not exist"),
        ("no such kind", 400, "'cobol:60' is not supported by this platform"),
        ("wrong limit", 400, "memory size 4096 MB exceeds allowed threshold of 512 MB"),
        ("wrong type", 400, "malformed"),
        ("stranger", 401, "authentication is invalid"),
        ("foreign", 403, "not authorized to access 'other'"),
        ("gone", 404, "does not exist"),
        ("gone too", 404, "does not exist"),
    ] {
        let (got, message) = failed(name);
        assert!(got == status && message.contains(says), "{name}: {}", step(name));
    }
    assert_eq!((step("packaged"), step("deleted")), (&json!("guest/tools"), &json!("hello")));
}
