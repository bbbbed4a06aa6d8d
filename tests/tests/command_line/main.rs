//! Command line as documented: exit codes, `--json`, parameters, inputs, URLs, policy, settings.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod exit_codes;
mod first_day;
mod parameters;
mod policy;

use keynet_tests::proxy::{Fault, Proxy};
use keynet_tests::terminal::Terminal;
use keynet_tests::{
    Ended, Sandbox, binary, end, end_with_input, fetch, free_address, guest, http, made, root,
    says, split_url,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs `run GUEST ARGUMENTS`.
fn run(sandbox: &Sandbox, component: &str, arguments: &[&str]) -> Ended {
    end(command(sandbox, component, arguments))
}

fn command(sandbox: &Sandbox, component: &str, arguments: &[&str]) -> Command {
    let component = guest(component);
    let mut all = vec![Path::new("run").as_os_str(), component.as_os_str()];
    all.extend(arguments.iter().map(|argument| -> &std::ffi::OsStr { argument.as_ref() }));
    sandbox.command(all)
}

/// Runs `run GUEST --json` with parameters, and returns its only line.
fn run_json(sandbox: &Sandbox, component: &str, parameters: &Value) -> Value {
    let ended = end_with_input(
        command(sandbox, component, &["--json", "--params-file", "-"]),
        &parameters.to_string(),
    );
    assert_eq!(ended.stdout.matches('\n').count(), 1, "{ended:?}");
    ended.json()
}

fn capable(sandbox: &Sandbox, parameters: Value) -> Value {
    run_json(sandbox, "capable", &parameters)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn keynet_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(keynet_files(&path)),
            path => found.push(path.display().to_string()),
        }
    }
    found.sort();
    found
}
