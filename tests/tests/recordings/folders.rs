//! Folders of recordings: what is written, what is replaced, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use keynet_tests::{Sandbox, compiled_guest, golden, guest, says};
use serde_json::json;

use super::{record, replay, run, without_servers};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn a_recording_is_for_its_owner_alone_and_has_no_secret() {
    let sandbox = Sandbox::new();
    let parameters = json!({
        "do": "put", "location": "a", "content": "x".repeat(5000), "password": "hunter2hunter2",
        "link": "https://h/a?X-Amz-Signature=0123abcd",
    });
    let ended = record(&sandbox, &guest("capable"), &parameters);
    says(&ended, 0, &["secrets among the parameters are not in the recording"]);
    let folder = sandbox.path("rec");
    for path in files(&folder).into_iter().chain([folder.clone()]) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    assert_eq!(files(&folder).len(), 3, "{:?}", files(&folder));
    let text = fs::read_to_string(folder.join("recording.json")).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("0123abcd"), "{text}");
    let left = fs::read_dir(sandbox.path("")).unwrap().map(Result::unwrap);
    let left: Vec<_> =
        left.filter(|entry| entry.file_name().as_encoded_bytes()[0] == b'.').collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(replay(&without_servers(&sandbox), &guest("capable")).code, Some(0));
}

#[test]
fn only_a_recording_is_replaced() {
    let sandbox = Sandbox::new();
    let component = guest("hello");
    let parameters = json!({ "name": "Ada" });
    record(&sandbox, &component, &parameters);
    record(&sandbox, &component, &json!({ "name": "Bob" }));
    let ended = replay(&sandbox, &component);
    assert_eq!(ended.json(), json!({ "greeting": "Hello, Bob!" }));

    fs::create_dir(sandbox.path("mine")).unwrap();
    fs::write(sandbox.path("mine/notes.txt"), "x").unwrap();
    fs::create_dir(sandbox.path("similar")).unwrap();
    fs::write(sandbox.path("similar/recording.json"), "{}").unwrap();
    fs::write(sandbox.path("file"), "x").unwrap();
    symlink(sandbox.path("rec"), sandbox.path("link")).unwrap();
    for (place, told) in [
        ("mine", "it holds other files than a recording"),
        ("similar", "looks like a recording and is none"),
        ("file", "it is no folder"),
        ("link", "it is no folder"),
        (".", "it holds other files"),
    ] {
        let ended = run(&sandbox, &component, &["--param", "name=Ada", "--record", place]);
        says(&ended, 6, &["is not replaced", told]);
        assert_eq!(ended.stdout, "", "it did not run");
    }
    assert_eq!(fs::read_to_string(sandbox.path("mine/notes.txt")).unwrap(), "x");
    let ended = run(&sandbox, &component, &["--param", "name=Ada", "--record", "new/below/rec"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_run_with_more_data_than_the_limit_is_not_recorded_and_says_so() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let input = format!("image_url={}", golden::file("picture.png").display());
    let component = compiled_guest("image-detection");
    let ended = run(
        &sandbox,
        &component,
        &["--input", &input, "--record", "rec", "--record-limit", "1MiB"],
    );
    says(&ended, 6, &["more than the 1048576 bytes", "--record-limit"]);
    // It had its effects, so its result is not lost.
    assert!(ended.json()["detections"].is_array(), "{ended:?}");
    assert!(!sandbox.path("rec").exists());
}

#[test]
fn a_recording_that_was_changed_is_refused_with_the_reason() {
    let sandbox = Sandbox::new();
    let component = guest("capable");
    let parameters = json!({ "do": "put", "location": "a", "content": "x".repeat(5000) });
    record(&sandbox, &component, &parameters);
    let payload = files(&sandbox.path("rec/payloads")).pop().unwrap();
    let payload = payload.file_name().unwrap().to_str().unwrap().to_owned();
    type Change<'a> = &'a dyn Fn(&Path, &Path);
    let replaced = |from: &'static str, to: String| {
        move |folder: &Path, _: &Path| {
            let path = folder.join("recording.json");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{from}");
            fs::write(path, text.replace(from, &to)).unwrap();
        }
    };
    let cases: [(Change<'_>, &str); 9] = [
        (&|_, payload| fs::write(payload, "y".repeat(5000)).unwrap(), "has other content"),
        (&|_, payload| fs::write(payload, "x").unwrap(), "has 1 bytes, not 5000"),
        (&|_, payload| fs::remove_file(payload).unwrap(), "No such file"),
        (
            &|folder, payload| {
                fs::rename(payload, folder.join("elsewhere")).unwrap();
                symlink(folder.join("elsewhere"), payload).unwrap();
            },
            "payload",
        ),
        (&|folder, _| fs::remove_file(folder.join("recording.json")).unwrap(), "recording.json"),
        (&|folder, _| fs::write(folder.join("recording.json"), [0xff]).unwrap(), "recording.json"),
        (&replaced("\"sha256\":\"", "\"sha256\":\"../".to_owned()), "no digest"),
        (&replaced("\"keynet-recording\": 1", "\"keynet-recording\": 9".to_owned()), "version 9"),
        (
            &replaced("\"outcome\": ", format!("\"outcome\": {}", "[".repeat(100_000))),
            "recording.json",
        ),
    ];
    for (change, told) in cases {
        let sandbox = without_servers(&sandbox);
        let folder = sandbox.path("rec");
        change(&folder, &folder.join("payloads").join(&payload));
        let ended = replay(&sandbox, &component);
        says(&ended, 6, &["is no recording that can be replayed", told]);
    }
    let nothing = run(&sandbox, &component, &["--replay", "nothing"]);
    says(&nothing, 6, &["nothing is no recording", "recording.json"]);
}

#[test]
fn a_replay_takes_no_parameters_and_no_servers_of_its_own() {
    let sandbox = Sandbox::new();
    for option in [
        ["--param", "a=1"],
        ["--params-file", "x"],
        ["--input", "a=b"],
        ["--models", "x"],
        ["--storage", "x"],
        ["--serve", "127.0.0.1:1"],
    ] {
        let arguments = ["--replay", "rec", option[0], option[1]];
        says(&run(&sandbox, &guest("hello"), &arguments), 2, &["cannot be used with"]);
    }
}
