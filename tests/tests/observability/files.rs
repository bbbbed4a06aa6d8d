//! `run --trace FILE`: the file of one run, for Perfetto and Chrome.

use std::collections::BTreeMap;

use keynet_tests::{Sandbox, guest, says};
use serde_json::{Value, json};

/// Event of a trace, as its format requires.
struct Event {
    name: String,
    start: f64,
    end: f64,
    args: Value,
}

/// Reads a file strictly: a JSON array of complete events and of metadata.
fn read(text: &str) -> Vec<Event> {
    let Value::Array(events) = serde_json::from_str(text).expect("JSON") else {
        panic!("no array: {text}")
    };
    let mut read = Vec::new();
    for event in events {
        let fields: BTreeMap<String, Value> = serde_json::from_value(event).unwrap();
        let number = |name: &str| fields[name].as_f64().unwrap_or_else(|| panic!("{name}"));
        assert!(fields["pid"].is_u64() && fields["tid"].is_u64(), "{fields:?}");
        assert!(!fields["name"].as_str().unwrap().is_empty() && fields["args"].is_object());
        match fields["ph"].as_str() {
            Some("M") => {
                let name = fields["name"].as_str().unwrap();
                assert!(["process_name", "thread_name"].contains(&name), "{fields:?}");
                assert!(fields["args"]["name"].is_string());
            }
            Some("X") => {
                let (start, duration) = (number("ts"), number("dur"));
                assert!(start >= 0.0 && duration >= 0.0, "{fields:?}");
                read.push(Event {
                    name: fields["name"].as_str().unwrap().to_owned(),
                    start,
                    end: start + duration,
                    args: fields["args"].clone(),
                });
            }
            other => panic!("an event of the kind {other:?}"),
        }
    }
    // Of two events of a thread, one lies within the other, or they do not overlap.
    const ROUNDING: f64 = 0.01;
    for (at, one) in read.iter().enumerate() {
        for other in &read[at + 1..] {
            let apart = one.end <= other.start + ROUNDING || other.end <= one.start + ROUNDING;
            let within =
                |a: &Event, b: &Event| a.start + ROUNDING >= b.start && a.end <= b.end + ROUNDING;
            assert!(
                apart || within(one, other) || within(other, one),
                "{} and {} overlap",
                one.name,
                other.name
            );
        }
    }
    read
}

fn traced(sandbox: &Sandbox, part: &str) -> (keynet_tests::Ended, Vec<Event>) {
    let guest = guest("capable");
    let part = format!("do={part}");
    let ended = sandbox.run([
        "run",
        guest.to_str().unwrap(),
        "--param",
        &part,
        "--trace",
        "trace.json",
        "--json",
    ]);
    let text = std::fs::read_to_string(sandbox.path("trace.json")).expect("the file");
    (ended, read(&text))
}

#[test]
fn a_run_leaves_a_file_that_shows_its_phases_and_its_calls() {
    let sandbox = Sandbox::new();
    let (ended, events) = traced(&sandbox, "predict");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let named = |name: &str| events.iter().find(|event| event.name == name).expect(name);
    for name in ["load", "queue", "instantiate", "guest", "answer"] {
        named(name);
    }
    let predict = named("triton-predict.predict");
    let (whole, guest) = (named("capable"), named("guest"));
    assert!(predict.start >= guest.start && predict.end <= guest.end + 0.01);
    assert!(guest.start >= whole.start && named("load").end <= whole.start + 0.01);
    assert_eq!(predict.args["engine"], "rten");
    assert!(predict.args["model"].is_string() && predict.args["bytes_sent"].as_u64() > Some(0));
    assert_eq!(whole.args["receipt"], ended.json()["receipt"]);
    let duration = (whole.end - whole.start) * 1000.0;
    let total = whole.args["receipt"]["total_ns"].as_f64().unwrap();
    assert!((duration - total).abs() < 2000.0, "{duration} ns, {total} ns");
}

#[test]
fn a_run_that_fails_leaves_its_file_too() {
    let sandbox = Sandbox::new();
    let (ended, events) = traced(&sandbox, "fail");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(events.iter().any(|event| event.name == "guest"));
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_anything_runs() {
    let sandbox = Sandbox::new();
    let guest = guest("capable");
    let ended = sandbox.run(["run", guest.to_str().unwrap(), "--trace", "no/such/trace.json"]);
    says(&ended, 6, &["no/such/trace.json"]);
    let ended = sandbox.run(["run", guest.to_str().unwrap(), "--trace", "t.json", "--serve"]);
    says(&ended, 2, &["--trace"]);
}

#[test]
fn a_receipt_names_the_component_and_the_models_that_ran() {
    let sandbox = Sandbox::new();
    let component = guest("capable");
    let run = |part: &str| {
        let part = format!("do={part}");
        let arguments = ["run", component.to_str().unwrap(), "--param", &part, "--json"];
        sandbox.run(arguments).json()["receipt"].clone()
    };
    let receipt = run("predict");
    let digest = sha2_of(&std::fs::read(&component).unwrap());
    assert_eq!(receipt["component"], format!("sha256:{digest}"));
    let model = &receipt["models"][0];
    assert!(model["name"].is_string() && model["version"].is_string(), "{receipt}");
    assert!(model["calls"].as_u64() >= Some(1), "{receipt}");
    for name in ["inference_sent", "inference_received", "computing_ns", "answer_ns"] {
        assert!(receipt[name].as_u64() > Some(0), "{name}: {receipt}");
    }
    let receipt = run("objects");
    assert!(receipt.get("models").is_none(), "{receipt}");
    for name in ["storage_read", "storage_written"] {
        assert!(receipt[name].as_u64() > Some(0), "{name}: {receipt}");
    }
    assert_eq!(receipt["inference_sent"], json!(0));
}

fn sha2_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}
