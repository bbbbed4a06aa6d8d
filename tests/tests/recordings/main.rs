//! `run --record` and `run --replay`: an activation runs again without servers.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod differences;
mod folders;
mod servers;

use std::path::Path;

use keynet_tests::{Ended, Sandbox, compiled_guest, free_address, golden, guest, says};
use serde_json::{Value, json};

/// Runs `keynet-inference run COMPONENT`, with further arguments.
fn run(sandbox: &Sandbox, component: &Path, arguments: &[&str]) -> Ended {
    let component = component.to_str().unwrap();
    sandbox.run(["run", component].iter().chain(arguments))
}

/// Runs a component with parameters, and records it in the folder `rec`.
fn record(sandbox: &Sandbox, component: &Path, parameters: &Value) -> Ended {
    std::fs::write(sandbox.path("parameters.json"), parameters.to_string()).unwrap();
    let ended = run(sandbox, component, &["--params-file", "parameters.json", "--record", "rec"]);
    assert!(ended.stderr.contains("note: recorded in rec: "), "{ended:?}");
    ended
}

/// Creates a sandbox with the recordings of another one, where every server is down: Triton, S3 and
/// MLflow are configured at addresses of this machine at which nothing listens.
fn without_servers(recorded: &Sandbox) -> Sandbox {
    let mut sandbox = Sandbox::new();
    let nothing = || format!("http://{}", free_address());
    sandbox.set("TRITON_URL", nothing());
    sandbox.set("MLFLOW_TRACKING_URI", nothing());
    sandbox.set("MLFLOW_S3_ENDPOINT_URL", nothing());
    sandbox.set("AWS_BUCKET_NAME", "gone");
    sandbox.set("AWS_ACCESS_KEY_ID", "nobody");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "nothing");
    sandbox.set("KEYNET_MODELS", sandbox.path("no-models").display());
    sandbox.set("KEYNET_STORAGE", sandbox.path("no-storage").display());
    copy(&recorded.path("rec"), &sandbox.path("rec"));
    sandbox
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(from, to).unwrap()),
        }
    }
}

fn replay(sandbox: &Sandbox, component: &Path) -> Ended {
    run(sandbox, component, &["--replay", "rec"])
}

/// Records a component, replays it without servers, and asserts that the result is the same.
fn is_the_same_again(sandbox: &Sandbox, component: &Path, parameters: &Value) -> Ended {
    let first = record(sandbox, component, parameters);
    assert_eq!(first.code, Some(0), "{parameters}: {first:?}");
    let again = replay(&without_servers(sandbox), component);
    assert_eq!(again.code, Some(0), "{parameters}: {again:?}");
    assert_eq!(again.json(), first.json(), "{parameters}");
    assert!(!again.stderr.contains("differs"), "{again:?}");
    again
}

#[test]
fn every_call_of_the_contract_is_answered_again_without_models_and_objects() {
    let component = guest("capable");
    for part in [
        "tensors",
        "predict",
        "predict-many",
        "predict-stream",
        "metadata",
        "objects",
        "conditions",
        "parts",
        "uploads",
        "listing",
        "presigned",
        "contract",
        "parameters",
    ] {
        // A store of its own for each: some list all of it.
        let mut sandbox = Sandbox::new();
        sandbox.set("KEYNET_STORAGE_PUBLIC_URL", format!("http://{}/", free_address()));
        let parameters = json!({ "do": part, "text": "x", "number": 1.5, "null": null });
        is_the_same_again(&sandbox, &component, &parameters);
    }
}

#[test]
fn clocks_and_random_numbers_are_those_of_the_recording_in_every_language() {
    for name in ["parity-rust", "parity-python", "parity-js", "parity-go"] {
        let (sandbox, component) = (Sandbox::new(), compiled_guest(name));
        let again = is_the_same_again(&sandbox, &component, &json!({ "do": "fresh" }));
        let other = record(&sandbox, &component, &json!({ "do": "fresh" }));
        assert_ne!(other.json()["different"], again.json()["different"], "{name}");
    }
}

#[test]
fn the_golden_example_finds_the_same_again_and_its_recording_holds_no_signature() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let input = format!("image_url={}", golden::file("picture.png").display());
    let component = compiled_guest("image-detection");
    let first = run(
        &sandbox,
        &component,
        &["--input", &input, "--record", "rec", "--param", "threshold=0.05"],
    );
    assert_eq!(first.code, Some(0), "{first:?}");
    let again = run(&without_servers(&sandbox), &component, &["--replay", "rec", "--json"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.json()["replay"], json!({ "same": true, "differences": [] }));
    assert_eq!(again.json()["result"]["detections"], first.json()["detections"]);

    let recording = std::fs::read_to_string(sandbox.path("rec/recording.json")).unwrap();
    let url = first.json()["url"].as_str().unwrap().to_owned();
    let signature = url.split("signature=").nth(1).expect("a presigned URL");
    assert!(!recording.contains(signature), "the signature of {url} is recorded");
    let masked = again.json()["result"]["url"].as_str().unwrap().to_owned();
    assert!(
        masked.ends_with(&"*".repeat(signature.len())) && masked.len() == url.len(),
        "{masked}"
    );
    // A person can read it: one line for each call.
    for call in ["storage.get", "triton-predict.predict", "storage.put"] {
        let line = format!("{{\"call\":{{\"operation\":\"{call}\"");
        assert!(recording.lines().any(|read| read.starts_with(&line)), "{call}");
    }
}

#[test]
fn a_failure_is_the_same_failure_again() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_TIME", "1s");
    for (component, parameters, kind, told) in [
        (
            "contract",
            json!({ "do": "throw", "message": "the box is empty" }),
            "panic",
            "the box is empty",
        ),
        ("contract", json!({ "do": "trap" }), "panic", ""),
        ("contract", json!({ "do": "error" }), "invalid", "the picture is empty"),
        ("contract", json!({ "do": "exit" }), "exit", "exit(1)"),
        ("contract", json!({ "do": "sleep", "ms": 5000 }), "out-of-time", "1000 ms"),
        ("contract", json!({ "do": "memory" }), "limit", "KEYNET_MEMORY"),
        ("capable", json!({ "do": "ask", "model": "nobody" }), "not-found", "nobody"),
        ("capable", json!({ "do": "get", "location": "gone.png" }), "not-found", "gone.png"),
    ] {
        let component = guest(component);
        let first = record(&sandbox, &component, &parameters);
        assert_eq!(first.code, Some(1), "{parameters}: {first:?}");
        let again = replay(&without_servers(&sandbox), &component);
        assert_eq!(again.code, Some(1), "{parameters}: {again:?}");
        let same = "the recorded run made the same calls, and failed in the same way";
        for text in [told, same] {
            assert!(again.stderr.contains(text), "lacks {text:?}: {}", again.stderr);
        }
        let json = run(&without_servers(&sandbox), &component, &["--replay", "rec", "--json"]);
        let kind =
            if parameters["do"] == "trap" { json.json()["kind"].clone() } else { json!(kind) };
        assert_eq!(
            (json.code, &json.json()["kind"], &json.json()["replay"]["same"]),
            (Some(1), &kind, &json!(true)),
            "{parameters}: {json:?}"
        );
    }
}

#[test]
fn what_the_policy_denied_is_denied_again() {
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("policy.toml"), "[storage]\nread = ['mine/*']\n").unwrap();
    sandbox.set("KEYNET_POLICY", sandbox.path("policy.toml").display());
    let parameters = json!({ "do": "get", "location": "yours/a" });
    let first = record(&sandbox, &guest("capable"), &parameters);
    says(&first, 1, &["mine/*"]);
    // Without the file: the policy is in the recording.
    let again = replay(&without_servers(&sandbox), &guest("capable"));
    says(&again, 1, &["mine/*", "the same way"]);
}
