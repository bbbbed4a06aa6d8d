//! Data-driven tests: each file in `cases/` is one run of a component with its expected result; a
//! new case is a new file.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use keynet_tests::{Sandbox, guest};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Name of a component that `tests/build-guests` builds.
    guest: String,
    /// Parameters as JSON.
    parameters: String,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Expected exit code.
    exit: i32,
    /// Expected result as JSON.
    result: Option<serde_json::Value>,
    /// Texts that standard error must contain.
    #[serde(default)]
    stderr: Vec<String>,
    /// Texts that standard error must not contain.
    #[serde(default)]
    not_stderr: Vec<String>,
    /// Limit on the peak memory of the process, in MiB.
    peak_mib: u64,
}

fn run(path: &Path) -> datatest_stable::Result<()> {
    let case: Case = toml::from_str(&std::fs::read_to_string(path)?)?;
    let mut sandbox = Sandbox::new();
    for (name, value) in &case.environment {
        sandbox.set(name, value);
    }
    std::fs::write(sandbox.path("parameters.json"), &case.parameters)?;
    let component = guest(&case.guest);
    let ended = sandbox.run([
        "run".as_ref(),
        component.as_os_str(),
        "--params-file".as_ref(),
        "parameters.json".as_ref(),
    ]);
    let shown = format!(
        "exit {:?}, {} MiB\nstdout: {:.2000}\nstderr: {:.4000}",
        ended.code, ended.peak_mib, ended.stdout, ended.stderr
    );
    assert_eq!(ended.code, Some(case.exit), "{shown}");
    for text in &case.stderr {
        assert!(ended.stderr.contains(text), "standard error lacks {text:?}\n{shown}");
    }
    for text in &case.not_stderr {
        assert!(!ended.stderr.contains(text), "standard error has {text:?}\n{shown}");
    }
    if let Some(result) = &case.result {
        assert_eq!(&ended.json(), result, "{shown}");
    }
    assert!(ended.peak_mib <= case.peak_mib, "more than {} MiB\n{shown}", case.peak_mib);
    Ok(())
}

datatest_stable::harness! {
    { test = run, root = "cases", pattern = r"\.toml$" },
}
