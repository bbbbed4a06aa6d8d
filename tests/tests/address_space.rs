//! Processes with little address space: under `ulimit -v`, as in some containers and batch systems.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::thread;

use keynet_tests::hostile::Bomb;
use keynet_tests::runtime::{Runtime, base64_of, runtime_binary};
use keynet_tests::{Ended, Sandbox, Server, binary, end, free_address, guest, says};
use serde_json::json;

const MIB: u64 = 1 << 10; // in KiB
const GIB: u64 = 1 << 20;

/// Runs a command with `kib` KiB of address space.
fn within(
    sandbox: &Sandbox,
    kib: u64,
    program: &Path,
    arguments: &[&str],
) -> std::process::Command {
    let script = format!(r#"ulimit -v {kib}; exec "$@""#);
    sandbox.program("sh", ["-c", &script, "sh", program.to_str().unwrap()].iter().chain(arguments))
}

fn run(sandbox: &Sandbox, kib: u64, component: &Path, more: &[&str]) -> Ended {
    let arguments = [&["run", component.to_str().unwrap(), "-v"], more].concat();
    end(within(sandbox, kib, &binary(), &arguments))
}

/// Runs `hello` with `kib` KiB of address space.
fn hello(kib: u64) -> Ended {
    run(&Sandbox::new(), kib, &guest("hello"), &["--param", "name=Ada"])
}

fn greets(ended: &Ended) {
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "{\"greeting\":\"Hello, Ada!\"}\n"),
        "{ended:?}"
    );
}

#[test]
fn with_less_room_memories_become_smaller_and_actions_run_on() {
    let roomy = hello(100 * GIB);
    greets(&roomy);
    assert!(!roomy.stderr.contains("address space"), "{}", roomy.stderr);
    for kib in [8 * GIB, 4 * GIB, 2 * GIB, GIB] {
        let tight = hello(kib);
        greets(&tight);
        assert!(
            tight.stderr.contains("the address space (`ulimit -v`) is small"),
            "{kib}: {}",
            tight.stderr
        );
    }
}

#[test]
fn components_are_compiled_in_one_gibibyte() {
    let mut sandbox = Sandbox::without_cache();
    sandbox.set("KEYNET_COMPILE_MEMORY", "8GiB");
    greets(&run(&sandbox, GIB, &guest("hello"), &["--param", "name=Ada"]));
}

#[test]
fn it_serves_fewer_at_once() {
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_CONCURRENCY", "64");
    let (hello, address) = (guest("hello"), free_address());
    let arguments = ["run", hello.to_str().unwrap(), "--serve", &address];
    let server = Server::start(within(&sandbox, 16 * GIB, &binary(), &arguments), address.clone());
    server.says("the address space (`ulimit -v`) leaves room for fewer activations at once");
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                assert_eq!(
                    server.post(&json!({ "name": "Ada" })),
                    (200, json!({ "greeting": "Hello, Ada!" }))
                )
            });
        }
    });
}

#[test]
fn a_container_runs_in_one_gibibyte() {
    let sandbox = Sandbox::new();
    let address = free_address();
    let port = address.rsplit(':').next().unwrap();
    let runtime =
        Runtime::with(within(&sandbox, GIB, &runtime_binary(), &["--port", port]), address.clone());
    let answer = runtime.init(&base64_of(&guest("contract")));
    assert_eq!(answer.status, 200, "{}", answer.text());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let answer = runtime.run(&json!({ "name": "Ada" }));
                assert_eq!(
                    (answer.status, answer.json()),
                    (200, json!({ "name": "Ada" })),
                    "{}",
                    answer.text()
                );
            });
        }
    });
}

/// The limits of an activation do not depend on the address space: components beyond them are
/// rejected when they are loaded.
#[test]
fn limits_are_the_same_in_any_address_space() {
    let many = |what: &str, number: usize| (0..number).map(|_| what).collect::<String>();
    let instances = |module: &str, number: usize| {
        wat::parse_str(format!(
            "(component (core module $m {module}) {})",
            many("(core instance (instantiate $m))", number)
        ))
        .unwrap()
    };
    let globals = many("(global (mut i64) (i64.const 1))", 70_000);
    let bombs = [
        (instances("(memory 0)", 4), vec!["4 Wasm linear memories", "maximum of 3"]),
        (instances("", 41), vec!["41 core module instances", "maximum of 40"]),
        (instances("(table 1 funcref)", 6), vec!["6 tables", "maximum of 5"]),
        (instances("(table 100000000 funcref)", 1), vec!["100000000", "limit of 20000"]),
        (instances(&globals, 1), vec!["1048576 bytes"]),
        (instances(&many("(global (mut i64) (i64.const 1))", 10_000), 40), vec!["1048576 bytes"]),
    ];
    let sandbox = Sandbox::new();
    let path = sandbox.path("component.wasm");
    for (component, words) in bombs {
        std::fs::write(&path, component).unwrap();
        for kib in [100 * GIB, 4 * GIB, GIB] {
            let ended = run(&sandbox, kib, &path, &[]);
            says(&ended, 3, &words);
            assert!(ended.peak_mib < 200, "{kib}: {ended:?}");
        }
    }
}

#[test]
fn a_memory_that_does_not_fit_is_named() {
    let grows = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1024)) (i32.const \
        -1)))) unreachable";
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_MEMORY", "1GiB");
    let path = sandbox.path("component.wasm");
    std::fs::write(&path, Bomb { run: grows.to_owned(), ..Bomb::default() }.component()).unwrap();
    says(
        &run(&sandbox, 4 * GIB, &path, &[]),
        1,
        &["the address space leaves 268435456 bytes for each", "ulimit -v"],
    );
    says(&run(&sandbox, 100 * GIB, &path, &[]), 1, &["1073741824 bytes", "KEYNET_MEMORY"]);
}

#[test]
fn without_room_for_anything_it_says_so() {
    // At 256 MiB the result depends on the allocator's earlier mappings.
    for mib in [128, 96] {
        let ended = hello(mib * MIB);
        assert_eq!(
            ended.code,
            Some(4),
            "{mib} MiB: it is the machine's fault, not the action's: {ended:?}"
        );
        let error =
            ended.stderr.split_once("error: ").unwrap_or_else(|| panic!("{mib} MiB: {ended:?}")).1;
        assert!(error.contains("address space"), "{mib} MiB: what is too small? {error}");
        assert!(
            !error.contains("the action trapped") && !ended.stderr.contains("panicked"),
            "{mib} MiB: {ended:?}"
        );
    }
}
