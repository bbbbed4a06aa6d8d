//! OpenWhisk's contract with an action container, tested row by row against the process itself
//! through its port.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod code;
mod concurrency;
mod configuration;
mod init;
mod logs;
mod process;
mod run;

use std::thread;
use std::time::Duration;

use keynet_tests::runtime::{Runtime, Window, base64_of};
use keynet_tests::{Answer, Sandbox, end, guest};
use serde_json::json;

fn contract(sandbox: &Sandbox) -> Runtime {
    Runtime::of(sandbox, &guest("contract"))
}

fn window(stdout: &[&str], stderr: &[&str]) -> Window {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    Window { stdout: lines(stdout), stderr: lines(stderr), receipt: None }
}

/// Returns the next log window without the receipt.
fn logs(runtime: &Runtime) -> Window {
    Window { receipt: None, ..runtime.window() }
}

/// Returns the message of a response with the only field `error`.
fn error_of(answer: &Answer, status: u16) -> String {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "exactly one field: {body}");
    body["error"].as_str().unwrap_or_else(|| panic!("no error: {body}")).to_owned()
}

fn nothing_was_said(runtime: &Runtime) {
    thread::sleep(Duration::from_millis(100));
    assert_eq!(runtime.rest(), (vec![], vec![]));
}

/// Asserts that the loaded action works.
fn works(runtime: &Runtime) {
    let answer = runtime.run(&json!({ "do": "identity" }));
    assert_eq!((answer.status, answer.json()), (200, json!({ "do": "identity" })));
}

/// Returns code as an archive, `zip` or `gztar`: the contract's guest under each of `names`, and
/// its capability request.
fn archive(sandbox: &Sandbox, kind: &str, names: &[&str], asks: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::copy(guest("contract"), folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("keynet.toml"), asks).unwrap();
    let script = "import shutil, sys; print(shutil.make_archive('code', sys.argv[1], sys.argv[2]))";
    let made = end(sandbox.program(
        "python3",
        ["-c".as_ref(), script.as_ref(), kind.as_ref(), folder.path().as_os_str()],
    ));
    assert_eq!(made.code, Some(0), "{made:?}");
    base64_of(made.stdout.trim().as_ref())
}

fn port_of(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}
