//! `POST /init`: accepted and rejected code, and the messages.

use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::runtime::{Runtime, base64, base64_of, deadline, initialization};
use keynet_tests::{Sandbox, guest, send};
use serde_json::json;

use super::{contract, error_of, logs, nothing_was_said, window, works};

const NO_CODE: &str = r#"{"error":"Missing main/no code to execute."}"#;
const SECOND_INIT: &str = r#"{"error":"Cannot initialize the action more than once."}"#;

#[test]
fn init_answers_ok_and_its_logs_are_the_first_activations() {
    let sandbox = Sandbox::new();
    let runtime = contract(&sandbox);
    nothing_was_said(&runtime);
    assert_eq!(runtime.run(&json!({ "name": "Ada" })).json(), json!({ "name": "Ada" }));
    assert_eq!(logs(&runtime), window(&["hello stdout"], &["hello stderr"]));
}

#[test]
fn init_without_code_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    for body in [
        "",
        "{}",
        r#"{"value":{}}"#,
        r#"{"value":{"name":"","main":"","binary":false,"code":""}}"#,
        r#"{"value":{"code":null}}"#,
    ] {
        let answer = runtime.post("/init", body.as_bytes());
        assert_eq!((answer.status, answer.text()), (403, NO_CODE), "{body}");
        assert_eq!(logs(&runtime), window(&[], &["Missing main/no code to execute."]));
    }
}

#[test]
fn a_second_init_is_refused_and_said_in_the_logs_without_an_end() {
    let runtime = contract(&Sandbox::new());
    let answer = runtime.init(&base64_of(&guest("contract")));
    assert_eq!((answer.status, answer.text()), (403, SECOND_INIT));
    runtime.says("Cannot initialize the action more than once.");
    // The first action stays loaded, and the message belongs to the open log window.
    works(&runtime);
    assert_eq!(logs(&runtime), window(&[], &["Cannot initialize the action more than once."]));
    nothing_was_said(&runtime);
}

#[test]
fn an_init_that_is_not_json_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    for body in [&b"{"[..], b"nonsense", b"[]", b"\xff", br#"{"value":{"code":3}}"#] {
        assert!(error_of(&runtime.post("/init", body), 400).starts_with("the body of /init"));
        assert_eq!(
            runtime.window().stderr.len(),
            1,
            "the error is in the logs, and one end on each stream"
        );
    }
    // The container is unchanged.
    assert_eq!(runtime.init(&base64_of(&guest("contract"))).status, 200);
}

#[test]
fn code_that_cannot_be_decoded_is_refused() {
    let runtime = Runtime::start(&Sandbox::new());
    for code in [
        "function main() { return {} }",
        &base64(b"just text"),
        &base64(b"PK\x03\x04 but no zip"),
        &base64(b"\x1f\x8b but no gzip"),
    ] {
        let error = error_of(&runtime.init(code), 400);
        assert_eq!(logs(&runtime), window(&[], &[&error]));
    }
    // Code as `wsk` encodes a file whose name does not end in .zip.
    let mangled = String::from_utf8_lossy(&std::fs::read(guest("contract")).unwrap()).into_owned();
    let error = error_of(&runtime.init(&mangled), 400);
    assert!(error.contains("base64 -w0") && error.contains("zip"), "{error}");
    runtime.window();
}

#[test]
fn code_that_does_not_load_is_refused_with_the_reason() {
    let runtime = Runtime::start(&Sandbox::new());
    let refused = |component: &[u8], reason: &str| {
        let error = error_of(&runtime.init(&base64(component)), 502);
        assert!(error.contains(reason), "{error}");
        let logs = logs(&runtime);
        assert!(logs.stdout.is_empty() && logs.stderr.join("\n").contains(reason), "{logs:?}");
    };
    refused(b"\0asm\x01\0\0\0", "wasm-tools component new");
    refused(b"\0asm\x0d\0\x01\0 and nonsense", "cannot be compiled");
    refused(&wat::parse_str("(component)").unwrap(), "does not export");
    let foreign = r#"(component (import "wasi:http/types@0.2.0" (instance)))"#;
    refused(&wat::parse_str(foreign).unwrap(), "wasi:http/types@0.2.0");
}

#[test]
fn an_action_that_exits_at_init_is_refused_and_what_it_said_is_in_the_logs() {
    let runtime = Runtime::start(&Sandbox::new());
    let error = error_of(&runtime.init(&base64_of(&guest("exits-at-init"))), 502);
    assert!(error.contains("cannot describe itself") && error.contains("exit("), "{error}");
    assert_eq!(
        logs(&runtime).stderr.first().map(String::as_str),
        Some("leaving before it has begun")
    );
    nothing_was_said(&runtime);
}

#[test]
fn main_is_the_function_or_main() {
    let sandbox = Sandbox::new();
    let code = base64_of(&guest("contract"));
    let init = |main: &str| {
        let runtime = Runtime::start(&sandbox);
        let answer =
            runtime.post("/init", initialization(&code, main, &json!({})).to_string().as_bytes());
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(init("contract").0, 200);
    assert_eq!(init("").0, 200);
    let (status, error) = init("niam");
    assert_eq!(status, 502);
    assert!(error.contains("`contract`") && error.contains("`niam`"), "{error}");
}

#[test]
fn of_two_inits_at_once_one_is_refused() {
    let sandbox = Sandbox::without_cache();
    let runtime = Runtime::start(&sandbox);
    let code = base64_of(&guest("contract"));
    let mut answers: Vec<_> = thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| runtime.init(&code)));
        both.into_iter()
            .map(|one| one.join().unwrap())
            .map(|answer| (answer.status, answer.text().to_owned()))
            .collect()
    });
    answers.sort();
    assert_eq!(answers, [(200, "{\"ok\":true}".to_owned()), (403, SECOND_INIT.to_owned())]);
}

#[test]
fn one_who_hangs_up_during_init_leaves_the_container_as_it_was() {
    let sandbox = Sandbox::without_cache();
    let runtime = Runtime::start(&sandbox);
    let code = base64_of(&guest("contract"));
    let body = initialization(&code, "main", &json!({})).to_string();
    drop(send(runtime.address(), "POST", "/init", &[], body.as_bytes()));
    thread::sleep(Duration::from_millis(50));
    // Whether the first request succeeds or not, it ends soon.
    let started = Instant::now();
    let answer = loop {
        let answer = runtime.init(&code);
        if answer.status == 200 || started.elapsed() > Duration::from_secs(20) {
            break answer;
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert!(answer.status == 200 || answer.text() == SECOND_INIT, "{}", answer.text());
    works(&runtime);
}

#[test]
fn init_ends_within_the_actions_time() {
    let sandbox = Sandbox::without_cache();
    let runtime = Runtime::start(&sandbox);
    let time = Duration::from_millis(300);
    // Compiling takes longer than 250 ms of an otherwise idle processor.
    let code = base64_of(&guest("contract"));
    let started = Instant::now();
    let answer = runtime.init_with(&code, &json!({ "__OW_DEADLINE": deadline(time) }));
    if answer.status == 200 {
        return; // a very fast machine
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let error = error_of(&answer, 502);
    assert!(error.contains("its timeout") && error.contains("image build"), "{error}");
    runtime.window();
    assert_eq!(runtime.init(&code).status, 200, "with time enough it goes");
}

#[test]
fn what_is_too_large_to_compile_here_says_so_and_what_to_do() {
    let mut sandbox = Sandbox::without_cache();
    sandbox.set("KEYNET_COMPILE_MEMORY", "1MiB");
    let runtime = Runtime::start(&sandbox);
    let error = error_of(&runtime.init(&base64_of(&guest("contract"))), 502);
    assert!(error.contains("1 MiB") && error.contains("keynet-inference image build"), "{error}");
    assert!(!runtime.window().stderr.is_empty());
}

#[test]
fn a_wrong_configuration_is_told_at_init() {
    let mut sandbox = Sandbox::new();
    let runtime = Runtime::start(&sandbox);
    let code = base64_of(&guest("contract"));
    let error =
        error_of(&runtime.init_with(&code, &json!({ "TRITON_URL": "localhost:8001" })), 502);
    assert!(error.contains("TRITON_URL in the action's init variables"), "{error}");
    sandbox.set("KEYNET_MEMORY", "lots");
    let error = error_of(&Runtime::start(&sandbox).init(&code), 502);
    assert!(error.contains("KEYNET_MEMORY in the environment"), "{error}");
    sandbox.set("KEYNET_MEMORY", "256MiB");
    sandbox.set("KEYNET_GRACE", "a while");
    let error = error_of(&Runtime::start(&sandbox).init(&code), 502);
    assert!(error.contains("KEYNET_GRACE in the environment"), "{error}");
}
