//! End-to-end tests of `deploy`, `invoke`, `logs`, `list` and `undeploy`: against a strict stand-in
//! for OpenWhisk's API whose containers are the real `keynet-runtime`, with components from files
//! and from a real registry.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]

mod actions;
mod refusals;

use keynet_test_servers::RealServer;
use keynet_tests::openwhisk_api::{IMAGE, KEY, OpenWhisk, Setup, certificate};
use keynet_tests::process::Process;
use keynet_tests::{Ended, Sandbox, end_with_input, fetch, free_address, guest, http};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Creates a sandbox with an empty home: the developer's own `.wskprops` and logins have no effect.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("HOME", sandbox.path("").display());
    sandbox
}

/// Starts an OpenWhisk with the real runtime, and configures the sandbox for it.
fn running(setup: Setup) -> (Sandbox, OpenWhisk) {
    let mut sandbox = sandbox();
    let openwhisk = OpenWhisk::running(&sandbox, setup);
    openwhisk.configure(&mut sandbox);
    (sandbox, openwhisk)
}

/// Runs a command, and asserts success.
fn done(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let ended = sandbox.run(arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended
}

/// Runs a command, and asserts its failure: the exit code, and a part of its message.
fn fails(sandbox: &Sandbox, arguments: &[&str], code: i32, says: &str) -> Ended {
    let ended = sandbox.run(arguments);
    assert!(
        ended.code == Some(code) && ended.stderr.contains(says),
        "{arguments:?} should end with {code}, {says:?}: {ended:?}"
    );
    ended
}

fn path(guest_name: &str) -> String {
    guest(guest_name).display().to_string()
}

fn annotation<'a>(action: &'a Value, name: &str) -> &'a Value {
    let all = action["annotations"].as_array().unwrap();
    all.iter()
        .find(|annotation| annotation["key"] == name)
        .map_or(&Value::Null, |annotation| &annotation["value"])
}
