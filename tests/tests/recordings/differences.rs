//! Replays that differ from their recording.

use keynet_tests::{Sandbox, compiled_guest, golden, guest, made, says};
use serde_json::json;

use super::{record, replay, run, without_servers};

#[test]
fn another_component_is_said_to_be_one_and_the_calls_that_it_does_not_make() {
    let sandbox = Sandbox::new();
    let parameters = json!({ "do": "put", "location": "a.txt", "content": "hello" });
    record(&sandbox, &guest("capable"), &parameters);
    let other = sandbox.path("other.wasm");
    std::fs::write(&other, made::answers("{\"location\": \"b.txt\"}")).unwrap();
    let ended = replay(&without_servers(&sandbox), &other);
    says(
        &ended,
        12,
        &[
            "the recording is of another component, sha256:",
            "error: the replay differs from the recording rec",
            "differs: call 1, storage.put of a.txt, was not made",
            "differs: $.location was \"a.txt\", and is \"b.txt\"",
            "$.url was ",
            "--replay DIR --record DIR",
        ],
    );
    // The result is on standard output all the same.
    assert_eq!(ended.json(), json!({ "location": "b.txt" }));
    let ended = run(&without_servers(&sandbox), &other, &["--replay", "rec", "--json"]);
    let told = ended.json();
    assert_eq!((ended.code, &told["replay"]["same"]), (Some(12), &json!(false)), "{ended:?}");
    assert_eq!(told["result"], json!({ "location": "b.txt" }));
    assert_eq!(told["replay"]["differences"].as_array().unwrap().len(), 3, "{told}");
}

/// The same example in another language resizes the picture by another library: some of the
/// model's input differs.
#[test]
fn a_changed_preparation_is_told_by_the_first_element_that_differs() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MODELS", golden::file("models").display());
    let input = format!("image_url={}", golden::file("picture.png").display());
    let first =
        run(&sandbox, &compiled_guest("image-detection"), &["--input", &input, "--record", "rec"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let ended = replay(&without_servers(&sandbox), &compiled_guest("image-detection-go"));
    assert_eq!(ended.code, Some(12), "{ended:?}");
    let line = ended
        .stderr
        .lines()
        .find(|line| line.contains("triton-predict.predict of detector: the input "))
        .unwrap_or_else(|| panic!("no difference of the model's input: {ended:?}"));
    assert!(line.contains(": element ") && line.contains(" elements differ)"), "{line}");
    // The recorded answer is for the recorded input: the run goes on with it.
    assert!(ended.json()["detections"].as_array().is_some_and(|found| !found.is_empty()));
}

#[test]
fn changed_parameters_of_a_recording_are_changed_calls() {
    let sandbox = Sandbox::new();
    let component = guest("capable");
    let parameters = json!({ "do": "put", "location": "a.txt", "content": "hello" });
    record(&sandbox, &component, &parameters);
    let edit = |from: &str, to: &str| {
        let sandbox = without_servers(&sandbox);
        let path = sandbox.path("rec/recording.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        replay(&sandbox, &component)
    };
    let ended = edit("\"content\":\"hello\"", "\"content\":\"hallo!\"");
    let told = "differs: call 1, storage.put of a.txt: it had 5 bytes, and has 6; byte 1 was 0x65, \
        and is 0x61";
    says(&ended, 12, &[told]);
    let ended = edit("\"location\":\"a.txt\"}", "\"location\":\"b.txt\"}");
    says(&ended, 12, &["it was storage.put of a.txt, and is storage.put of b.txt"]);
    // A call that the recording has no answer to.
    let ended = edit("\"do\":\"put\"", "\"do\":\"get\"");
    says(
        &ended,
        1,
        &[
            "the recording has no answer to this call, storage.get of a.txt",
            "differs from the recording: call 1, storage.put of a.txt, was not made",
            "differs from the recording: a call that the recording lacks: storage.get of a.txt",
            "differs from the recording: it had a result, and now fails (unavailable)",
        ],
    );
}

#[test]
fn a_replay_that_differs_can_become_the_recording() {
    let sandbox = Sandbox::new();
    let component = guest("contract");
    record(&sandbox, &component, &json!({ "do": "error" }));
    // The action was mended: it has a result now.
    let mended = sandbox.path("mended.wasm");
    std::fs::write(&mended, made::answers("{\"found\": []}")).unwrap();
    let told = "it failed (invalid): the picture is empty; and now has a result";
    says(&replay(&sandbox, &mended), 12, &[told]);
    let kept = run(&sandbox, &mended, &["--replay", "rec", "--record", "rec"]);
    says(&kept, 12, &[told, "note: recorded in rec: 0 calls"]);
    let ended = replay(&sandbox, &mended);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json(), json!({ "found": [] }));
}
