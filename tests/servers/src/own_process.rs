//! Tests that inspect state of the whole process: its descriptors, its threads, the files with its
//! process ID.

use std::process::{Command, Stdio};

/// Name of the variable with the test that the process was started for.
const STARTED_FOR: &str = "KEYNET_TEST_OWN_PROCESS";

/// Runs `test` in a process of its own. `name` is the name of the calling test, as `cargo test`
/// prints it.
///
/// `cargo test` runs the tests of a binary concurrently in one process, so that a test that counts
/// resources of the process would also count those of other tests.
///
/// # Panics
/// The test fails there, or `name` is not the name of a test.
pub fn in_own_process(name: &str, test: impl FnOnce()) {
    if std::env::var(STARTED_FOR).is_ok_and(|started_for| started_for == name) {
        return test();
    }
    let binary = std::env::current_exe().expect("this test's binary");
    let mut process = Command::new(binary);
    process
        .args(["--exact", name, "--include-ignored", "--nocapture"])
        .env(STARTED_FOR, name)
        .stdin(Stdio::null());
    let ended = process.output().expect("a process");
    let said = String::from_utf8_lossy(&ended.stdout);
    let passed = ended.status.success() && said.contains("test result: ok. 1 passed");
    assert!(
        passed,
        "{name} failed in its own process ({}):\n{said}\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr)
    );
}
