//! Limits do not depend on the allocator: with a pool of instances, with a smaller one, and without
//! one.

use std::thread;
use std::time::{Duration, Instant};

use keynet_tests::hostile::bombs::{self, action_with};
use keynet_tests::hostile::{AT_REST, Bomb};
use keynet_tests::process::{peak_of, reset_peak, resident};
use keynet_tests::runtime::{Runtime, base64};
use keynet_tests::{Ended, Sandbox, binary, end, guest};
use serde_json::json;

/// Memory limit of `describe`, in MiB.
const DESCRIBING: u64 = 64;

/// Runs `keynet-inference ARGUMENTS` with `mib` MiB of address space.
fn confined(sandbox: &Sandbox, mib: u64, arguments: &[&str]) -> Ended {
    let script = format!(r#"ulimit -v {}; exec "$@""#, mib << 10);
    let binary = binary();
    let before = ["-c", &script, "sh", binary.to_str().unwrap()];
    end(sandbox.program("sh", before.iter().chain(arguments)))
}

#[test]
fn a_small_address_space_has_a_smaller_pool_and_runs() {
    let hello = guest("hello");
    let arguments = ["run", hello.to_str().unwrap(), "--param", "name=Ada"];
    for mib in [64 << 10, 8 << 10, 4 << 10, 3 << 10, 2 << 10] {
        let ended = confined(&Sandbox::new(), mib, &arguments);
        assert_eq!(
            (ended.code, ended.stdout.trim()),
            (Some(0), r#"{"greeting":"Hello, Ada!"}"#),
            "{mib} MiB of address space: {ended:?}"
        );
    }
}

#[test]
fn without_a_pool_a_component_has_no_more_than_with_one() {
    let sandbox = Sandbox::new();
    let cases = [
        ("1,000 instances of 2.7 MB", bombs::many_instances(1000, 170_000), "instance"),
        ("100 instances", bombs::many_instances(100, 1), "instance"),
        ("ten tables", bombs::with_core(&"(table 100 funcref)".repeat(10)), "table"),
        ("a table of 7,000,000 elements", bombs::with_core("(table 7000000 funcref)"), "table"),
        ("ten memories", bombs::with_core(&"(memory 1)".repeat(10)), "memor"),
        ("a memory of 100 MiB", bombs::with_core("(memory 1600)"), "memory"),
    ];
    for (name, component, text) in &cases {
        let path = sandbox.path("bomb.wasm");
        std::fs::write(&path, component).unwrap();
        for mib in [100 << 10, 64 << 10, 8 << 10, 5 << 10] {
            let ended = confined(&sandbox, mib, &["inspect", path.to_str().unwrap()]);
            let told = format!(
                "{name} in {mib} MiB of address space: {:?}, {} MiB, {:.600}",
                ended.code, ended.peak_mib, ended.stderr
            );
            eprintln!("{told}");
            assert!(matches!(ended.code, Some(1..=20)) && ended.stderr.contains(text), "{told}");
            assert!(ended.peak_mib <= DESCRIBING + AT_REST, "{told}");
        }
    }
}

/// `KEYNET_PROCESS_MEMORY` in MiB, the number of activations that share it, and the bytes that each
/// writes into each of its three memories.
const PROCESS: u64 = 512;
const ACTIVATIONS: usize = 16;
const WRITTEN: u64 = 8 << 20;

/// Returns instructions that write every page of a memory's first bytes.
fn write_all() -> String {
    format!(
        "(local $at i32)
         (loop $write
           (i32.store8 (local.get $at) (i32.const 1))
           (local.set $at (i32.add (local.get $at) (i32.const 4096)))
           (br_if $write (i32.lt_u (local.get $at) (i32.const {WRITTEN}))))"
    )
}

/// Returns an action that writes all of three memories, and then computes for a while, so that all
/// activations overlap.
fn writes_three_memories() -> Vec<u8> {
    let spin = "(local $n i64) (loop $spin (local.set $n (i64.add (local.get $n) (i64.const 1))) \
        (br_if $spin (i64.lt_u (local.get $n) (i64.const 100000000))))";
    let pages = WRITTEN >> 16;
    let memory =
        format!("(core module $m (memory {pages}) (func $start {}) (start $start)) ", write_all());
    let instances = "(core instance (instantiate $m))".repeat(2);
    let fields = format!("(func $spin {spin}) (func $write {})", write_own());
    let own = Bomb {
        pages: u32::try_from(pages + 4).unwrap(),
        run: "(call $write) (call $spin)".to_owned(),
        fields,
        ..Bomb::default()
    };
    action_with(&own.component(), &format!("(component {memory} {instances})"))
}

/// Same as [`write_all`], after the data that the action itself keeps there.
fn write_own() -> String {
    write_all().replace(
        "(i32.store8 (local.get $at)",
        "(i32.store8 (i32.add (local.get $at) (i32.const 131072))",
    )
}

#[test]
fn what_stays_mapped_is_a_quarter_of_the_process_s_memory_and_counts() {
    let mut sandbox = Sandbox::new();
    sandbox.set("__OW_ALLOW_CONCURRENT", "true");
    sandbox.set("KEYNET_CONCURRENCY", ACTIVATIONS);
    sandbox.set("KEYNET_MEMORY", "64MiB");
    sandbox.set("KEYNET_PROCESS_MEMORY", format!("{PROCESS}MiB"));
    let runtime = Runtime::start(&sandbox);
    let answer = runtime.init(&base64(&writes_three_memories()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    reset_peak(runtime.id());
    thread::scope(|scope| {
        for _ in 0..ACTIVATIONS {
            scope.spawn(|| assert_eq!(runtime.run(&json!({})).status, 200));
        }
    });
    let peak = peak_of(runtime.id());
    assert!(peak <= PROCESS + AT_REST, "{peak} MiB at once");
    // Freed memory is returned to the system when the allocator gets to it.
    let (most, asked) = (PROCESS / 4 + AT_REST, Instant::now());
    while resident(runtime.id()) > most && asked.elapsed() < Duration::from_secs(3) {
        thread::sleep(Duration::from_millis(100));
    }
    let idle = resident(runtime.id());
    eprintln!("{peak} MiB at once, {idle} MiB when idle");
    assert!(idle <= most, "{idle} MiB when idle, of {most}");
}
