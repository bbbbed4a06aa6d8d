//! The library of ONNX Runtime, where `tests/onnxruntime install` puts it.

#![allow(dead_code)] // each test uses its part

use std::path::{Path, PathBuf};
use std::process::Command;

use keynet_base::config::OnnxRuntimeConfig;

/// Runs a script of `tests/`, and returns what it prints.
pub fn script(name: &str, argument: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests").join(name);
    let done = Command::new(script).arg(argument).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "tests/{name} {argument}: {said}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// The library, installed if it is not there.
pub fn path() -> PathBuf {
    let library = PathBuf::from(script("onnxruntime", "path"));
    if !library.exists() {
        script("onnxruntime", "install");
    }
    library
}

/// The setting that names it.
pub fn onnxruntime() -> OnnxRuntimeConfig {
    OnnxRuntimeConfig::Path(path())
}
