//! Files that are not actions, and components that no host should load: each is rejected with the
//! reason, at low cost.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::path::PathBuf;

use keynet_tests::{Ended, Sandbox, guest, says};

fn run(sandbox: &Sandbox, bytes: &[u8]) -> Ended {
    let path = sandbox.path("component.wasm");
    std::fs::write(&path, bytes).unwrap();
    sandbox.run([PathBuf::from("run"), path])
}

fn refused(text: &[u8], why: &[&str]) {
    let ended = run(&Sandbox::new(), text);
    says(&ended, 3, why);
    assert!(ended.peak_mib < 200, "{ended:?}");
}

fn refused_wat(text: &str, why: &[&str]) {
    refused(&wat::parse_str(text).unwrap(), why);
}

#[test]
fn what_is_no_webassembly() {
    refused(b"#!/bin/sh\n", &["not WebAssembly"]);
    refused(b"", &["not WebAssembly"]);
}

#[test]
fn a_core_module_is_told_how_to_become_a_component() {
    refused_wat(
        "(module)",
        &["core WebAssembly module", "wasm32-wasip2", "wasm-tools component new"],
    );
}

#[test]
fn a_damaged_component() {
    let mut bytes = std::fs::read(guest("hello")).unwrap();
    bytes.truncate(bytes.len() / 2);
    refused(&bytes, &["cannot be compiled"]);
}

#[test]
fn a_component_without_function() {
    refused_wat("(component)", &["keynet:inference/function", "#[keynet_function]"]);
}

#[test]
fn a_component_of_a_later_contract_says_who_must_upgrade() {
    refused_wat(
        r#"(component (import "keynet:inference/storage@0.2.0" (instance)))"#,
        &["@0.2.0", "@0.1.0", "upgrade the host"],
    );
}

#[test]
fn a_component_that_wants_http() {
    refused_wat(
        r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#,
        &["wasi:http/outgoing-handler@0.2.0"],
    );
}

/// Returns functions that are small to encode and expensive for Cranelift to compile.
fn compile_bomb() -> Vec<u8> {
    let mut body = String::new();
    for local in 0..4_000 {
        write!(
            body,
            "(local.set {local} (i64.mul (local.get {}) (local.get {})))",
            (local * 7 + 1) % 4_000,
            (local * 13 + 5) % 4_000
        )
        .unwrap();
    }
    let locals = "(local ".to_owned() + &"i64 ".repeat(4_000) + ")";
    let nested =
        format!("{}{body}{}", "(loop ".repeat(60), "(br_if 0 (i64.eqz (local.get 9))))".repeat(60));
    let functions = format!("(func {locals} {nested})").repeat(400);
    wat::parse_str(format!("(component (core module {functions}))")).unwrap()
}

#[test]
fn a_compile_bomb_meets_the_limit_on_time() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_COMPILE_TIME", "2s");
    let ended = run(&sandbox, &compile_bomb());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("takes longer than 2 s: raise KEYNET_COMPILE_TIME"),
        "{}",
        ended.stderr
    );
    assert!(ended.peak_mib < 200, "{ended:?}");
}

#[test]
fn a_compile_bomb_meets_the_limit_on_memory() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_COMPILE_MEMORY", "64MiB");
    let ended = run(&sandbox, &compile_bomb());
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(
        ended.stderr.contains("more than 64 MiB: raise KEYNET_COMPILE_MEMORY"),
        "{}",
        ended.stderr
    );
    assert!(ended.peak_mib < 200, "{ended:?}");
}

/// Returns an action of one core module with `memories` memories, whose `run` grows each to its
/// maximum.
fn greedy(memories: usize) -> Vec<u8> {
    let more: String = (1..memories).map(|_| "(memory 1)").collect();
    let grow: String = (0..memories)
        .map(|memory| {
            format!(
                "(loop $again (br_if $again (i32.ne (memory.grow {memory} (i32.const 16)) \
                    (i32.const -1))))"
            )
        })
        .collect();
    let module = format!(
        r#"(module
          (memory (export "memory") 1) {more}
          (data (i32.const 16) "greedy")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "keynet:inference/function@0.1.0#describe") (result i32)
            (i32.store (i32.const 64) (i32.const 16)) (i32.store (i32.const 68) (i32.const 6))
            (i32.store (i32.const 72) (i32.const 16)) (i32.store (i32.const 76) (i32.const 6))
            (i32.const 64))
          (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32) {grow} unreachable))"#
    );
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(keynet_tests::root().join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("action")).unwrap();
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        wit_component::StringEncoding::UTF8,
    )
    .unwrap();
    wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

#[test]
fn three_memories_together_meet_the_limit() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "48MiB");
    let ended = run(&sandbox, &greedy(3));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("50331648 bytes") && ended.stderr.contains("KEYNET_MEMORY"),
        "{}",
        ended.stderr
    );
    assert!(ended.peak_mib < 200, "{ended:?}");
}

#[test]
fn more_memories_than_a_slot_has_are_refused_with_the_number() {
    refused(&greedy(4), &["memories count of 4", "limit of 3"]);
}
