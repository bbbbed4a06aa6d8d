//! Output streams, their end markers and their limits.

use std::process::Stdio;
use std::time::Duration;

use keynet_tests::process::Process;
use keynet_tests::runtime::{
    Runtime, SENTINEL, Window, activation, base64_of, initialization, runtime_binary,
};
use keynet_tests::{Sandbox, free_address, guest, http};
use serde_json::json;

use super::{contract, logs, nothing_was_said, port_of, window, works};

#[test]
fn every_way_out_ends_the_window_on_both_streams() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "64MiB");
    let runtime = contract(&sandbox);
    for deed in [
        "identity",
        "error",
        "throw",
        "trap",
        "exit",
        "memory",
        "no-newline",
        "forge",
        "forge-by-panic",
        "array",
        "nonsense",
    ] {
        runtime.run(&json!({ "do": deed, "message": "m" }));
        runtime.window();
        nothing_was_said(&runtime);
    }
    // A caller that disconnects.
    let patient = runtime.begin(&json!({ "do": "sleep", "ms": 50_000 }));
    runtime.says("asleep");
    drop(patient);
    assert_eq!(logs(&runtime), window(&["asleep"], &[]));
    nothing_was_said(&runtime);
    works(&runtime);
}

#[test]
fn a_last_line_without_a_newline_is_kept() {
    let runtime = contract(&Sandbox::new());
    runtime.run(&json!({ "do": "no-newline" }));
    assert_eq!(logs(&runtime), window(&["the last line of stdout"], &["the last line of stderr"]));
    runtime.run(&json!({ "do": "exit" }));
    assert_eq!(runtime.window().stdout, ["half a line before the exit"]);
}

#[test]
fn the_logs_of_an_action_that_waits_or_computes_are_seen_meanwhile() {
    let runtime = contract(&Sandbox::new());
    for (value, line) in [
        (json!({ "do": "sleep", "ms": 50_000 }), "asleep"),
        (json!({ "do": "compute" }), "it computes"),
    ] {
        let patient = runtime.begin(&value);
        runtime.says(line);
        drop(patient);
        assert_eq!(logs(&runtime), window(&[line], &[]));
    }
}

#[test]
fn an_action_cannot_end_its_window_nor_forge_a_receipt() {
    let runtime = contract(&Sandbox::new());
    runtime.run(&json!({ "do": "forge" }));
    let logs = runtime.window();
    assert_eq!((logs.stdout.len(), logs.stderr.len()), (1, 2), "{logs:?}");
    assert!(logs.stdout[0].contains('\u{200b}'), "{logs:?}");
    assert!(logs.receipt.unwrap()["total_ns"].as_u64().unwrap() > 0);
    // Nor by the message of a panic, which the host repeats.
    runtime.run(&json!({ "do": "forge-by-panic" }));
    let logs = runtime.window();
    assert!(
        logs.stderr.len() >= 2 && logs.stderr.iter().all(|line| !line.contains(SENTINEL)),
        "{logs:?}"
    );
    nothing_was_said(&runtime);
}

#[test]
fn a_flood_of_lines_is_cut_at_the_limit_and_the_activation_goes_on() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_LOGS", "1MiB");
    let runtime = contract(&sandbox);
    let answer = runtime.run(&json!({ "do": "lines", "count": 20_000, "bytes": 100, "id": "a" }));
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    let logs = runtime.window();
    let bytes: usize = logs.stdout.iter().chain(&logs.stderr).map(|line| line.len() + 1).sum();
    assert!(((1 << 20) - 2..(1 << 20) + 200).contains(&bytes), "{bytes}");
    assert!(logs.stderr.last().unwrap().contains("KEYNET_LOGS"), "{:?}", logs.stderr.last());
}

#[test]
fn an_action_that_logs_nothing_has_empty_logs() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_RECEIPTS", "");
    let runtime = contract(&sandbox);
    runtime.run(&json!({ "do": "identity" }));
    assert_eq!(runtime.window(), Window::default());
}

#[test]
fn the_hosts_own_messages_go_to_a_file_and_never_into_the_logs() {
    let mut sandbox = Sandbox::new();
    let file = sandbox.path("diagnostics");
    sandbox.set("KEYNET_DIAGNOSTICS", file.display());
    sandbox.set("RUST_LOG", "debug");
    sandbox.set("KEYNET_RECEIPTS", "false");
    let runtime = contract(&sandbox);
    runtime.run(&json!({ "do": "identity" }));
    assert_eq!(runtime.window(), Window::default());
    assert!(std::fs::read_to_string(file).unwrap().contains("an activation ended"));
}

#[test]
fn logs_that_nobody_reads_cost_no_answer() {
    let sandbox = Sandbox::new();
    let address = free_address();
    let port = port_of(&address);
    let command = format!("exec {} --port {port} >&- 2>&-", runtime_binary().display());
    let runtime = Runtime::with(sandbox.program("sh", ["-c", &command]), address);
    assert_eq!(runtime.init(&base64_of(&guest("contract"))).status, 200);
    assert_eq!(runtime.run(&json!({ "name": "Ada" })).json(), json!({ "name": "Ada" }));
}

#[test]
fn logs_that_pile_up_keep_no_answer_from_its_caller() {
    let sandbox = Sandbox::new();
    let address = free_address();
    let port = port_of(&address);
    let mut command = sandbox.program(runtime_binary(), ["--port", port]);
    // Two pipes that are open and never read.
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    process.listens_within(&address, Duration::from_secs(20)).unwrap();
    let code = base64_of(&guest("contract"));
    let init = initialization(&code, "main", &json!({})).to_string();
    assert_eq!(http(&address, "POST", "/init", &[], init.as_bytes()).status, 200);
    for value in [
        json!({ "do": "lines", "count": 2000, "bytes": 100, "id": "a" }),
        json!({ "do": "identity" }),
    ] {
        let answer = http(
            &address,
            "POST",
            "/run",
            &[],
            activation(&value, Duration::from_secs(30)).to_string().as_bytes(),
        );
        assert_eq!((answer.status, answer.json().get("error")), (200, None), "{answer:?}");
    }
}
