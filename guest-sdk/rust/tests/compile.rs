//! Compile tests: valid actions, and the errors for mistakes. A new case is a new file;
//! `TRYBUILD=overwrite` writes its expected errors.

use std::process::Command;

/// Compiler version for which the errors are compared. The macro's own messages are surrounded by
/// those of rustc, which change from version to version.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile-cases/passes/*.rs");
    let version = Command::new("rustc").arg("--version").output().expect("rustc").stdout;
    if String::from_utf8_lossy(&version).starts_with(COMPILER) {
        cases.compile_fail("tests/compile-cases/errors/*.rs");
    } else {
        eprintln!("the errors are not compared: they were written down for {COMPILER}");
    }
}
