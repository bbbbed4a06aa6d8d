//! Traps of components whose names, frames and messages are made to cost the host far more than they cost to write down: each is one
//! failed activation, reported in a few lines.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::path::PathBuf;

use keynet_tests::runtime::{Runtime, base64};
use keynet_tests::{Ended, Sandbox, binary, end, made};
use serde_json::json;

/// What a process may hold at most while it reports a trap, in MiB.
const MOST_MIB: u64 = 200;

/// Where an action traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Start,
    Describe,
    DescribePostReturn,
    Realloc,
    Run,
    RunPostReturn,
    Recursion,
}

impl Where {
    const ALL: [Self; 7] =
        [Self::Start, Self::Describe, Self::DescribePostReturn, Self::Realloc, Self::Run, Self::RunPostReturn, Self::Recursion];

    fn while_it_is_loaded(self) -> bool {
        matches!(self, Self::Start | Self::Describe | Self::DescribePostReturn)
    }
}

/// An action that traps `here`, in a function called `name`.
fn trapping(name: &str, here: Where) -> Vec<u8> {
    let at = |place| if here == place { "(call $boom)" } else { "" };
    let start = if here == Where::Start { "(start $boom)" } else { "" };
    let body = if here == Where::Recursion { "(call $boom)" } else { "unreachable" };
    made::component(&format!(
        r#"(module
          (memory (export "memory") 2)
          (func $boom (@name "{name}") {body})
          {start}
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {} (i32.const 4096))
          (func (export "keynet:inference/function@0.1.0#describe") (result i32)
            {}
            (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 4))
            (i32.store (i32.const 24) (i32.const 64)) (i32.store (i32.const 28) (i32.const 4))
            (i32.const 16))
          (func (export "cabi_post_keynet:inference/function@0.1.0#describe") (param i32) {})
          (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32)
            {} {}
            (i32.store (i32.const 132) (i32.const 72)) (i32.store (i32.const 136) (i32.const 2))
            (i32.const 128))
          (func (export "cabi_post_keynet:inference/function@0.1.0#run") (param i32) {})
          (data (i32.const 64) "boom    {{}}"))"#,
        at(Where::Realloc),
        at(Where::Describe),
        at(Where::DescribePostReturn),
        at(Where::Run),
        at(Where::Recursion),
        at(Where::RunPostReturn),
    ))
}

/// A C++ name whose template arguments each hold the one before them `fan` times: demangled, it has `fan` to the power of `levels` parts.
fn cpp_name(levels: u8, fan: usize) -> String {
    let substitution = |number: usize| match number {
        0 => "S_".to_owned(),
        number => format!("S{}_", char::from_digit(number as u32 - 1, 36).unwrap().to_ascii_uppercase()),
    };
    let mut name = "_Z1f1AIiiE".to_owned();
    for level in 0..levels {
        let before = substitution(1 + 2 * usize::from(level));
        name.push_str(&format!("1{}I{}E", char::from(b'B' + level), before.repeat(fan)));
    }
    name
}

/// A Rust name (v0) that does the same with tuples.
fn rust_name(levels: usize, fan: usize) -> String {
    let mut name = "INvC1a1fTuuE".to_owned();
    let mut last = 8;
    for _ in 0..levels {
        let here = name.len();
        name.push_str(&format!("T{}E", format!("B{}", base62(last)).repeat(fan)));
        last = here;
    }
    format!("_R{name}E")
}

/// A number as v0 writes a back reference.
fn base62(number: usize) -> String {
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let (mut left, mut digits) = (number - 1, Vec::new());
    loop {
        digits.push(DIGITS.get(left % 62).copied().unwrap());
        left /= 62;
        if left == 0 {
            digits.reverse();
            return format!("{}_", String::from_utf8(digits).unwrap());
        }
    }
}

/// Names that are short to write down.
fn names() -> [(&'static str, String); 5] {
    [
        ("cpp", cpp_name(5, 100)),
        ("rust", rust_name(12, 60)),
        ("deep", format!("_R{}", "NvC1a".repeat(700))),
        ("legacy", format!("_ZN{}17h0123456789abcdefE", "4core".repeat(15_000))),
        ("long", r"\u{202e}é".repeat(19_000)), // escaped as in WAT
    ]
}

fn command(sandbox: &Sandbox, command: &str, component: &[u8]) -> Ended {
    let path = sandbox.path("component.wasm");
    std::fs::write(&path, component).unwrap();
    sandbox.run([PathBuf::from(command), path])
}

/// It is told in a few lines, and cost no memory.
fn reported(ended: &Ended, code: i32, context: &str) {
    assert_eq!(ended.code, Some(code), "{context}: {ended:?}");
    assert!(ended.stderr.contains("aborted (`unreachable`)") || ended.stderr.contains("recursed deeper"), "{context}: {ended:?}");
    assert!(ended.stderr.len() < 20_000, "{context}: {} bytes are said", ended.stderr.len());
    assert!(ended.peak_mib < MOST_MIB, "{context}: {ended:?}");
    assert!(!ended.stderr.contains('\u{202e}'), "{context}: {ended:?}");
}

#[test]
fn a_trap_in_a_function_with_an_endless_name_is_a_failed_run() {
    let sandbox = Sandbox::new();
    for (kind, name) in names() {
        reported(&command(&sandbox, "run", &trapping(&name, Where::Run)), 1, kind);
    }
}

#[test]
fn a_trap_costs_nothing_wherever_it_happens() {
    let sandbox = Sandbox::new();
    let name = cpp_name(5, 100);
    for here in Where::ALL {
        let context = format!("{here:?}");
        let component = trapping(&name, here);
        reported(&command(&sandbox, "run", &component), if here.while_it_is_loaded() { 3 } else { 1 }, &context);
        let inspected = command(&sandbox, "inspect", &component);
        match here.while_it_is_loaded() {
            true => reported(&inspected, 3, &context),
            false => assert_eq!(inspected.code, Some(0), "{context}: {inspected:?}"),
        }
    }
}

#[test]
fn a_trap_costs_nothing_in_little_address_space() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("component.wasm");
    std::fs::write(&path, trapping(&cpp_name(5, 100), Where::Run)).unwrap();
    let (binary, path) = (binary(), path.to_str().unwrap().to_owned());
    let script = r#"ulimit -v 6000000; exec "$@""#;
    reported(&end(sandbox.program("sh", ["-c", script, "sh", binary.to_str().unwrap(), "run", &path])), 1, "run");
}

#[test]
fn a_container_reports_a_trap_and_goes_on() {
    let sandbox = Sandbox::new();
    for (kind, name) in names() {
        let runtime = Runtime::start(&sandbox);
        let refused = runtime.init(&base64(&trapping(&name, Where::Describe)));
        assert_eq!(refused.status, 502, "{kind}: {}", refused.text());
        assert!(refused.text().contains("aborted (`unreachable`)") && refused.body.len() < 20_000, "{kind}: {}", refused.text());
        runtime.window();
        let loaded = runtime.init(&base64(&trapping(&name, Where::Run)));
        assert_eq!(loaded.status, 200, "{kind}: {}", loaded.text());
        for _ in 0..3 {
            let answer = runtime.run(&json!({}));
            assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
            assert!(answer.text().contains("aborted (`unreachable`)") && answer.body.len() < 20_000, "{kind}: {}", answer.text());
            let logs = runtime.window();
            assert!(logs.stderr.iter().map(String::len).sum::<usize>() < 20_000, "{kind}: {logs:?}");
        }
        assert!(runtime.peak_mib() < MOST_MIB, "{kind}: {} MiB", runtime.peak_mib());
    }
}

#[test]
fn an_actions_own_error_of_many_megabytes_is_cut() {
    let module = r#"(module
      (memory (export "memory") 900)
      (data (i32.const 64) "long")
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
      (func (export "keynet:inference/function@0.1.0#describe") (result i32)
        (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 4))
        (i32.store (i32.const 24) (i32.const 64)) (i32.store (i32.const 28) (i32.const 4))
        (i32.const 16))
      (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32)
        (memory.fill (i32.const 65536) (i32.const 120) (i32.const 50000000))
        (i32.store8 (i32.const 128) (i32.const 1))
        (i32.store (i32.const 136) (i32.const 65536)) (i32.store (i32.const 140) (i32.const 50000000))
        (i32.const 128)))"#;
    let ended = command(&Sandbox::new(), "run", &made::component(module));
    assert_eq!(ended.code, Some(1), "{:.2000}", ended.stderr);
    assert!(ended.stderr.contains("xxx… (50000000 bytes)"), "{:.2000}", ended.stderr);
    assert!(ended.stderr.len() + ended.stdout.len() < 200_000, "{} bytes are said", ended.stderr.len());
    assert!(ended.peak_mib < 300, "{} MiB", ended.peak_mib);
}
