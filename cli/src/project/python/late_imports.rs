//! Imports inside functions, which a component can only import while it is built.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::PythonError;
use super::environment::Environment;
use crate::errors::ExpectedError;

/// Lists the imports inside functions of the modules in `folder`, and writes the list to the file
/// `to`.
///
/// # Errors
/// The environment's Python cannot be started or fails, or the file cannot be written.
pub fn write(folder: &Path, to: &Path, environment: &Environment) -> Result<(), ExpectedError> {
    let mut python = environment.python();
    let scan = python
        .arg(environment.sdk().join("toolchain/late_imports.py"))
        .arg(folder)
        .stdin(Stdio::null())
        .output();
    let scan = scan.map_err(ExpectedError::io_on("start", "the Python that looks for imports"))?;
    if !scan.status.success() {
        return Err(
            PythonError::Scan { said: String::from_utf8_lossy(&scan.stderr).into_owned() }.into()
        );
    }
    fs::write(to, scan.stdout).map_err(ExpectedError::io("write", to))
}
