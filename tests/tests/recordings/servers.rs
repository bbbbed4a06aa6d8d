//! Recordings of runs with real servers, and of a server's activations.

use std::fs;

use keynet_test_servers::RealServer;
use keynet_tests::{Sandbox, Server, compiled_guest, fetch, free_address, golden, guest, says};
use serde_json::json;

use super::{is_the_same_again, record, replay, run, without_servers};

#[test]
fn what_triton_answered_is_answered_again_after_it_is_gone() {
    let server =
        RealServer::triton(&[("TRITON_LOAD", "identity identity_bf16 add_sub stream slow")]);
    let mut sandbox = Sandbox::new();
    sandbox.set("TRITON_URL", format!("http://{}", server.get("TRITON_GRPC")));
    let component = guest("capable");
    let first = record(&sandbox, &component, &json!({ "do": "triton" }));
    assert_eq!(first.code, Some(0), "{first:?}");
    server.stop();
    let again = replay(&without_servers(&sandbox), &component);
    assert_eq!((again.code, again.json()), (Some(0), first.json()), "{again:?}");

    // That it cannot be reached is an answer too.
    let parameters = json!({ "do": "add-sub" });
    let first = record(&sandbox, &component, &parameters);
    says(&first, 1, &["Triton cannot be reached"]);
    says(
        &replay(&without_servers(&sandbox), &component),
        1,
        &["Triton cannot be reached", "same way"],
    );
}

#[test]
fn what_s3_answered_is_answered_again_after_it_is_gone() {
    let server = RealServer::s3(&[("S3_BUCKETS", "default,parts,uploads,conditions,presigned")]);
    for (part, bucket) in [
        ("objects", "default"),
        ("parts", "parts"),
        ("uploads", "uploads"),
        ("conditions", "conditions"),
        ("presigned", "presigned"),
    ] {
        let mut sandbox = Sandbox::new();
        sandbox.set("AWS_BUCKET_NAME", bucket);
        sandbox.set("MLFLOW_S3_ENDPOINT_URL", server.get("S3_ENDPOINT"));
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            sandbox.set(name, server.get(name));
        }
        is_the_same_again(&sandbox, &guest("capable"), &json!({ "do": part }));
        let recording = fs::read_to_string(sandbox.path("rec/recording.json")).unwrap();
        for secret in [server.get("AWS_ACCESS_KEY_ID"), server.get("AWS_SECRET_ACCESS_KEY")] {
            assert!(!recording.contains(secret), "{part}: a credential is recorded");
        }
        let signatures = recording.split("X-Amz-Signature=").skip(1);
        assert!(signatures.clone().all(|rest| rest.starts_with('*')), "{part}");
        assert!(part != "presigned" || signatures.count() > 0);
    }
}

#[test]
fn a_picture_of_another_server_is_there_again_after_it_is_gone() {
    let mut other = Sandbox::new();
    let server = other.serve_objects();
    let stored = run(&other, &guest("capable"), &["--param", "do=put", "--param", "content=hello"]);
    let url = stored.json()["url"].as_str().unwrap().to_owned();
    assert_eq!(fetch(&url).text(), "hello");
    let sandbox = Sandbox::new();
    let parameters = json!({ "do": "get", "location": url });
    let first = record(&sandbox, &guest("capable"), &parameters);
    assert_eq!(first.json(), json!({ "content": "hello" }), "{first:?}");
    drop(server);
    let again = replay(&without_servers(&sandbox), &guest("capable"));
    assert_eq!(again.json(), json!({ "content": "hello" }), "{again:?}");
    let recording = fs::read_to_string(sandbox.path("rec/recording.json")).unwrap();
    let signature = url.split("signature=").nth(1).unwrap();
    assert!(!recording.contains(signature), "{recording}");
}

#[test]
fn a_request_of_a_server_is_replayed_on_the_command_line() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let component = guest("capable");
    let start = |sandbox: &Sandbox| {
        let address = free_address();
        let command = sandbox.command([
            "run".as_ref(),
            component.as_os_str(),
            "--serve".as_ref(),
            address.as_ref(),
            "--record".as_ref(),
            "all".as_ref(),
        ]);
        Server::start(command, address)
    };
    let server = start(&sandbox);
    let (status, put) = server.post(&json!({ "do": "put", "content": "hello" }));
    assert_eq!(status, 200, "{put}");
    let (status, failed) = server.post(&json!({ "do": "get", "location": "gone" }));
    assert_eq!(status, 404, "{failed}");
    server.says("recorded in all/000002: ");
    drop(server);
    let names = || {
        let entries = fs::read_dir(sandbox.path("all")).unwrap().map(Result::unwrap);
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["000001", "000002"]);
    // Numbers go on after a restart.
    let server = start(&sandbox);
    server.post(&json!({ "do": "put", "content": "again" }));
    server.says("recorded in all/000003: ");
    drop(server);

    let again = run(&sandbox, &component, &["--replay", "all/000001"]);
    assert_eq!((again.code, &again.json()["location"]), (Some(0), &put["location"]), "{again:?}");
    says(&run(&sandbox, &component, &["--replay", "all/000002"]), 1, &["gone", "same way"]);

    fs::write(sandbox.path("all/notes.txt"), "mine").unwrap();
    let refused = run(&sandbox, &component, &["--serve", &free_address(), "--record", "all"]);
    says(&refused, 6, &["notes.txt"]);
}

#[test]
fn a_python_action_is_replayed() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let picture = format!("image_url={}", golden::file("picture.png").display());
    let component = compiled_guest("image-detection-python");
    let first = run(&sandbox, &component, &["--input", &picture, "--record", "rec"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let again = replay(&without_servers(&sandbox), &component);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.json()["detections"], first.json()["detections"]);
}
