//! Machines that give a process little address space: under `ulimit -v`, as in some containers and batch systems.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::thread;

use keynet_tests::{Ended, Sandbox, Server, binary, end, free_address, guest};
use serde_json::json;

const GIB: u64 = 1 << 20; // in KiB

/// `hello` in `kib` KiB of address space.
fn hello(kib: u64) -> Ended {
    let sandbox = Sandbox::new();
    let script = format!(r#"ulimit -v {kib}; exec "$@""#);
    let (binary, hello) = (binary(), guest("hello"));
    let arguments = ["-c", &script, "sh", binary.to_str().unwrap(), "run", hello.to_str().unwrap(), "-v", "--param", "name=Ada"];
    end(sandbox.program("sh", arguments))
}

fn greets(ended: &Ended) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"greeting\":\"Hello, Ada!\"}\n"), "{ended:?}");
}

#[test]
fn without_room_for_a_pool_instances_are_mapped_one_by_one() {
    let roomy = hello(100 * GIB);
    greets(&roomy);
    assert!(!roomy.stderr.contains("address space"), "{}", roomy.stderr);
    let tight = hello(8 * GIB);
    greets(&tight);
    assert!(tight.stderr.contains("the address space for a pool of instances is refused"), "{}", tight.stderr);
}

#[test]
fn it_serves_without_a_pool() {
    let sandbox = Sandbox::new();
    let (binary, hello, address) = (binary(), guest("hello"), free_address());
    let script = format!(r#"ulimit -v {}; exec "$@""#, 64 * GIB);
    let arguments = ["-c", &script, "sh", binary.to_str().unwrap(), "run", hello.to_str().unwrap(), "--serve", &address];
    let server = Server::start(sandbox.program("sh", arguments), address.clone());
    server.says("the address space for a pool of instances is refused");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.post(&json!({ "name": "Ada" })), (200, json!({ "greeting": "Hello, Ada!" }))));
        }
    });
}

#[test]
fn without_room_for_anything_it_says_so() {
    for mib in [3 * 1024, 1024, 512, 256] {
        let ended = hello(mib * 1024);
        assert_eq!(ended.code, Some(4), "{mib} MiB: it is the machine's fault, not the action's: {ended:?}");
        let error = ended.stderr.split_once("error: ").unwrap_or_else(|| panic!("{mib} MiB: {ended:?}")).1;
        assert!(error.contains("address space"), "{mib} MiB: what is too small? {error}");
        assert!(!error.contains("the action trapped") && !ended.stderr.contains("panicked"), "{mib} MiB: {ended:?}");
    }
}
