//! Spares, the instances that are made before an activation asks for them: none is used twice, and
//! none knows anything of an activation but its own.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;
use std::time::Duration;

use keynet_tests::process::resident;
use keynet_tests::runtime::{Runtime, Window};
use keynet_tests::{Sandbox, guest, made};
use serde_json::{Value, json};

/// Parts of WASI that the component uses.
const PACKAGES: &[&str] = &[
    "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }",
    "package wasi:io@0.2.0; interface poll { resource pollable; }",
    "package wasi:clocks@0.2.0; interface monotonic-clock { use wasi:io/poll@0.2.0.{pollable}; \
        now: func() -> u64; subscribe-duration: func(when: u64) -> pollable; }",
    "package wasi:cli@0.2.0; interface environment { \
        get-environment: func() -> list<tuple<string, string>>; }",
];
const IMPORTS: &str = "import wasi:random/random@0.2.0; import wasi:io/poll@0.2.0; \
    import wasi:clocks/monotonic-clock@0.2.0; import wasi:cli/environment@0.2.0;";

/// Returns an action that reports all state that an instance can have, and then changes it.
/// `initialize` is the code that runs when it is instantiated; its result is reported as `started`.
fn reporter(initialize: &str) -> Vec<u8> {
    const FIELDS: [&str; 9] =
        ["memory", "pages", "global", "table", "size", "segment", "handle", "random", "started"];
    let fields = FIELDS.map(|name| format!("\\22{name:_<8}\\22:\\22{}\\22", "0".repeat(16)));
    let template = format!("{{{}}}", fields.join(","));
    let length = FIELDS.len() * (8 + 16 + 5 + 1) + 1;
    let digits = |at: usize| 2048 + 1 + at * 30 + 12;
    let module = format!(
        r#"(module
          (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
          (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
          (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
            (func $subscribe (param i64) (result i32)))
          (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
          (import "keynet:inference/user-input@0.1.0" "all" (func $parameters (param i32)))
          (memory (export "memory") 2)
          (global $global (mut i64) (i64.const 0))
          (global $heap (mut i32) (i32.const 65536))
          (global $started (mut i64) (i64.const 0))
          (type $number (func (result i64)))
          (func $zero (type $number) (i64.const 0))
          (func $one (type $number) (i64.const 1))
          (table $table 1 100 funcref)
          (elem (table $table) (i32.const 0) func $zero)
          (elem declare func $one)
          (data (i32.const 256) "reporter") (data (i32.const 2048) "{template}")
          (data $segment "\01\00\00\00\00\00\00\00")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.get $heap)
            (global.set $heap (i32.and (i32.const -8)
              (i32.add (i32.const 7) (i32.add (global.get $heap) (local.get 3))))))
          (func (export "_initialize") (global.set $started ({initialize})))
          (func $write (param $at i32) (param $number i64) (local $digit i64) (local $left i32)
            (local.set $left (i32.const 16))
            (loop $next
              (local.set $left (i32.sub (local.get $left) (i32.const 1)))
              (local.set $digit (i64.and (local.get $number) (i64.const 15)))
              (i64.store8 (i32.add (local.get $at) (local.get $left))
                (i64.add (local.get $digit)
                  (select (i64.const 48) (i64.const 87) (i64.lt_u (local.get $digit) (i64.const 10)))))
              (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
              (br_if $next (local.get $left))))
          (func (export "keynet:inference/function@0.1.0#describe") (result i32)
            (i32.store (i32.const 64) (i32.const 256)) (i32.store (i32.const 68) (i32.const 8))
            (i32.store (i32.const 72) (i32.const 256)) (i32.store (i32.const 76) (i32.const 8))
            (i32.const 64))
          (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32)
            (call $write (i32.const {}) (i64.load (i32.const 1024)))
            (call $write (i32.const {}) (i64.extend_i32_u (memory.size)))
            (call $write (i32.const {}) (global.get $global))
            (call $write (i32.const {}) (call_indirect $table (type $number) (i32.const 0)))
            (call $write (i32.const {}) (i64.extend_i32_u (table.size $table)))
            (memory.init $segment (i32.const 1032) (i32.const 0) (i32.const 8))
            (call $write (i32.const {}) (i64.load (i32.const 1032)))
            (call $write (i32.const {})
              (i64.extend_i32_u (call $subscribe (i64.const 1000000))))
            (call $write (i32.const {}) (call $random))
            (call $write (i32.const {}) (global.get $started))
            (i64.store (i32.const 1024) (i64.const 1))
            (drop (memory.grow (i32.const 1)))
            (global.set $global (i64.const 1))
            (table.set $table (i32.const 0) (ref.func $one))
            (drop (table.grow $table (ref.func $one) (i32.const 1)))
            (data.drop $segment)
            (i32.store (i32.const 132) (i32.const 2048)) (i32.store (i32.const 136) (i32.const {length}))
            (i32.const 128)))"#,
        digits(0),
        digits(1),
        digits(2),
        digits(3),
        digits(4),
        digits(5),
        digits(6),
        digits(7),
        digits(8),
    );
    made::component_with(&module, PACKAGES, IMPORTS)
}

/// Runs the action until `times` activations had a spare, at most a hundred times. Returns each
/// result, and whether the activation had a spare.
fn runs(runtime: &Runtime, times: usize) -> Vec<(Value, bool)> {
    let mut all = Vec::new();
    while all.len() < 100 && all.iter().filter(|(_, spare)| *spare).count() < times {
        let answer = runtime.run(&json!({}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        all.push((answer.json(), had_spare(&runtime.window())));
        std::thread::sleep(Duration::from_millis(20));
    }
    all
}

fn had_spare(window: &Window) -> bool {
    window.receipt.as_ref().expect("a receipt")["spare"].as_bool().expect("a flag")
}

fn started(initialize: &str) -> (Sandbox, Runtime) {
    let sandbox = Sandbox::new();
    let path = sandbox.path("reporter.wasm");
    std::fs::write(&path, reporter(initialize)).unwrap();
    let runtime = Runtime::of(&sandbox, &path);
    (sandbox, runtime)
}

#[test]
fn nothing_of_an_activation_is_seen_by_the_next() {
    let (_sandbox, runtime) = started("i64.const 7");
    let all = runs(&runtime, 10);
    assert_eq!(all.iter().filter(|(_, spare)| *spare).count(), 10, "{all:?}");
    let mut random = HashSet::new();
    for (mut state, _) in all {
        let number = state.as_object_mut().unwrap().remove("random__").unwrap();
        assert!(random.insert(number.as_str().unwrap().to_owned()), "a number came again");
        let hex = |number: u64| format!("{number:016x}");
        assert_eq!(
            state,
            json!({
                "memory__": hex(0), "pages___": hex(2), "global__": hex(0), "table___": hex(0),
                "size____": hex(1), "segment_": hex(1), "handle__": hex(1), "started_": hex(7),
            })
        );
    }
}

#[test]
fn an_action_that_looks_around_while_it_is_instantiated_is_instantiated_for_each_activation() {
    // Random numbers, the clock, the number of variables, the length of the parameters.
    for (initialize, differs) in [
        ("call $random", true),
        ("call $now", false),
        (
            "block (result i64) (call $environment (i32.const 8)) (i64.load32_u (i32.const 12))",
            false,
        ),
        ("i64.extend_i32_u (call $subscribe (i64.const 1))", false),
    ] {
        let (_sandbox, runtime) = started(initialize);
        let mut seen = HashSet::new();
        for _ in 0..5 {
            let answer = runtime.run(&json!({}));
            assert_eq!(answer.status, 200, "{initialize}: {}", answer.text());
            let fresh = seen.insert(answer.json()["started_"].as_str().unwrap().to_owned());
            assert!(fresh || !differs, "{initialize}");
            assert!(!had_spare(&runtime.window()), "{initialize}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Returns an action that writes to `count` pages, each far from the next, if its parameters have
/// more than 100 bytes, and fails if one of them has been written to before.
fn writer(count: u32) -> Vec<u8> {
    let pages = count.div_ceil(2) + 1;
    let module = format!(
        r#"(module
          (memory (export "memory") {pages})
          (global $heap (mut i32) (i32.const 8192))
          (data (i32.const 256) "writer{{}}") (data (i32.const 1048576) "initial")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.get $heap)
            (global.set $heap (i32.and (i32.const -8)
              (i32.add (i32.const 7) (i32.add (global.get $heap) (local.get 3))))))
          (func (export "_initialize"))
          (func (export "keynet:inference/function@0.1.0#describe") (result i32)
            (i32.store (i32.const 64) (i32.const 256)) (i32.store (i32.const 68) (i32.const 6))
            (i32.store (i32.const 72) (i32.const 256)) (i32.store (i32.const 76) (i32.const 6))
            (i32.const 64))
          (func (export "keynet:inference/function@0.1.0#run") (param i32 i32) (result i32)
            (local $at i32) (local $left i32)
            (if (i32.ne (i32.load8_u (i32.const 1048576)) (i32.const 105)) (then unreachable))
            (local.set $at (i32.const 36864))
            (local.set $left (i32.const {count}))
            (if (i32.gt_u (local.get 1) (i32.const 100)) (then
              (loop $next
                (if (i32.load (local.get $at)) (then unreachable))
                (i32.store (local.get $at) (i32.const 1))
                (local.set $at (i32.add (local.get $at) (i32.const 32768)))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
              (i32.store8 (i32.const 1048576) (i32.const 1))))
            (i32.store (i32.const 132) (i32.const 262)) (i32.store (i32.const 136) (i32.const 2))
            (i32.const 128)))"#
    );
    made::component_with(&module, &[], "")
}

#[test]
fn pages_that_activations_write_are_present_in_a_spare_and_as_new() {
    const PAGES: u32 = 1000;
    let sandbox = Sandbox::new();
    let path = sandbox.path("writer.wasm");
    std::fs::write(&path, writer(PAGES)).unwrap();
    let runtime = Runtime::of(&sandbox, &path);
    let resident_after = |parameters: Value| {
        for _ in 0..12 {
            let answer = runtime.run(&parameters);
            assert_eq!(answer.status, 200, "{}", answer.text());
            std::thread::sleep(Duration::from_millis(50));
        }
        resident(runtime.id())
    };
    let before = resident_after(json!({}));
    let after = resident_after(json!({ "text": "x".repeat(100) }));
    // The pool itself keeps 32 of them.
    assert!(after >= before + 3, "{before} MiB, and {after} MiB when they write {PAGES} pages");
}

#[test]
fn each_activation_has_its_own_environment_and_logs() {
    let sandbox = Sandbox::new();
    let runtime = Runtime::of(&sandbox, &guest("contract"));
    let mut spares = 0;
    for number in 0..100 {
        let id = format!("{number:032x}");
        let body = json!({ "value": { "do": "environment" }, "activation_id": id });
        let answer = runtime.post("/run", body.to_string().as_bytes());
        let environment = answer.json();
        assert_eq!(environment["__OW_ACTIVATION_ID"], json!(id), "{environment}");
        spares += usize::from(had_spare(&runtime.window()));
        if spares == 10 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("only {spares} activations had a spare");
}
