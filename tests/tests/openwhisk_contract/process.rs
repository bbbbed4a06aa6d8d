//! Process of the container: its end, its pauses and its command line.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use keynet_tests::runtime::{Runtime, runtime_binary};
use keynet_tests::{Sandbox, answer, end};
use serde_json::json;

use super::{contract, error_of, logs, port_of, window, works};

#[test]
fn asked_to_stop_it_answers_503_and_ends_what_is_under_way() {
    let mut runtime = contract(&Sandbox::new());
    let slow = runtime.begin(&json!({ "do": "sleep", "ms": 2000 }));
    runtime.says("asleep");
    runtime.signal("TERM");
    thread::sleep(Duration::from_millis(200));
    for path in ["/run", "/init"] {
        let answer = runtime.post(path, b"{}");
        assert_eq!(
            (answer.status, answer.text()),
            (503, r#"{"error":"the container is shutting down"}"#)
        );
    }
    let slow = answer(slow);
    assert_eq!((slow.status, slow.json()), (200, json!({ "slept": 2000 })));
    assert_eq!(runtime.ends_within(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(logs(&runtime), window(&["asleep"], &[]));
}

#[test]
fn idle_it_stops_at_once() {
    for started in [Runtime::start(&Sandbox::new()), contract(&Sandbox::new())] {
        let mut runtime = started;
        let _kept = TcpStream::connect(runtime.address()).unwrap();
        runtime.signal("TERM");
        assert_eq!(runtime.ends_within(Duration::from_secs(5)).code(), Some(0));
    }
}

#[test]
fn what_does_not_end_within_the_grace_is_cut_off_and_answered() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_GRACE", "1s");
    let mut runtime = contract(&sandbox);
    let slow = runtime.begin(&json!({ "do": "sleep", "ms": 50_000 }));
    runtime.says("asleep");
    runtime.signal("TERM");
    assert!(error_of(&answer(slow), 200).contains("was stopped before"));
    assert_eq!(runtime.ends_within(Duration::from_secs(10)).code(), Some(0));
    let logs = runtime.window();
    assert_eq!((logs.stdout, logs.stderr.len()), (vec!["asleep".to_owned()], 1));
}

#[test]
fn a_pause_of_any_length_is_survived() {
    let runtime = contract(&Sandbox::new());
    works(&runtime);
    let under_way = runtime.begin(&json!({ "do": "sleep", "ms": 500 }));
    runtime.says("asleep");
    runtime.signal("STOP");
    // Sent while the process is stopped.
    let waiting = runtime.begin(&json!({ "do": "identity" }));
    thread::sleep(Duration::from_secs(2));
    runtime.signal("CONT");
    assert_eq!(answer(under_way).json(), json!({ "slept": 500 }));
    assert_eq!(answer(waiting).json(), json!({ "do": "identity" }));
}

#[test]
fn the_probe_says_whether_it_answers() {
    let sandbox = Sandbox::new();
    let binary = runtime_binary();
    let runtime = Runtime::start(&sandbox);
    let address = runtime.address().to_owned();
    let port = port_of(&address);
    let health = |arguments: &[&str]| end(sandbox.program(&binary, arguments.iter().copied()));
    assert_eq!(health(&["health", "--port", port]).code, Some(0));
    let mut by_variable = sandbox.program(&binary, ["health"]);
    by_variable.env("PORT", port);
    assert_eq!(end(by_variable).code, Some(0));
    drop(runtime);
    let ended = health(&["health", "--port", port]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(port), "{ended:?}");
    let ended = health(&["--version"]);
    assert!(ended.code == Some(0) && ended.stdout.starts_with("keynet-runtime "), "{ended:?}");
    assert_eq!(health(&["--port", "none"]).code, Some(2));
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    let runtime = Runtime::start(&sandbox);
    let port = port_of(runtime.address());
    let ended = end(sandbox.program(runtime_binary(), ["--port", port]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(port) && ended.stderr.contains("PORT"), "{ended:?}");
}
