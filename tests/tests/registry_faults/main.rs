//! Broken connections, failing or lying servers, and killed processes: each push and pull succeeds
//! or reports the reason, and leaves no partial files.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod downloads;
mod killed;
mod uploads;

use keynet_tests::oci::{check_layout, files_in, padded, sha256};
use keynet_tests::process::Process;
use keynet_tests::proxy::{ALL, Fault, Proxy, Seen};
use keynet_tests::registry::{Desk, SECRETS, keynet};
use keynet_tests::{Ended, Sandbox, free_address, guest, says};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Registry behind a proxy, and a component to push.
struct Case {
    desk: Desk,
    proxy: Proxy,
    component: Vec<u8>,
}

impl Case {
    fn new(mode: &str, size: usize) -> Self {
        let desk = Desk::signed_in(mode);
        let proxy = Proxy::before(desk.host());
        if desk.protected() {
            assert_eq!(desk.login(proxy.address(), "alice", "s3cret").code, Some(0));
            proxy.forget();
        }
        let component = padded(&std::fs::read(guest("hello")).unwrap(), size, 7);
        std::fs::write(desk.sandbox.path("big.wasm"), &component).unwrap();
        Self { desk, proxy, component }
    }

    /// Creates a case with the component pushed as `tests/big:1`, and returns its digest.
    fn published(mode: &str, size: usize) -> (Self, String) {
        let case = Self::new(mode, size);
        let pushed =
            case.desk.push(&case.desk.sandbox.path("big.wasm"), &case.desk.reference("big:1"));
        let digest = pushed["digest"].as_str().unwrap().to_owned();
        (case, digest)
    }

    /// Returns `ADDRESS/tests/NAME`, through the proxy.
    fn at(&self, name: &str) -> String {
        format!("{}/tests/{name}", self.proxy.address())
    }

    fn push(&self) -> Ended {
        self.desk.keynet(["push", "big.wasm", &self.at("big:1")])
    }

    fn pull(&self, name: &str) -> Ended {
        self.out();
        self.desk.keynet(["pull", &self.at(name), "-o", "out/pulled.wasm"])
    }

    fn out(&self) -> PathBuf {
        let folder = self.desk.sandbox.path("out");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Asserts that the push succeeded, and that the registry's content is complete.
    fn is_published(&self, ended: &Ended) {
        says(ended, 0, &[]);
        let file = self.desk.sandbox.path("check.wasm");
        let check = self.desk.keynet([
            "pull".as_ref(),
            self.desk.reference("big:1").as_ref(),
            "-o".as_ref(),
            file.as_os_str(),
        ]);
        assert_eq!(check.code, Some(0), "{check:?}");
        assert!(std::fs::read(file).unwrap() == self.component);
    }

    /// Asserts that the push failed, and that the registry has no such tag.
    fn is_not_published(&self, ended: &Ended, code: i32, texts: &[&str]) {
        says(ended, code, texts);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        let tags = self.desk.keynet(["pull", &self.desk.reference("big:1"), "-o", "check.wasm"]);
        assert_eq!(tags.code, Some(11), "{tags:?}");
    }

    /// Asserts that the pull succeeded, and that its file is complete and the only one.
    fn is_pulled(&self, ended: &Ended) {
        says(ended, 0, &[]);
        assert_eq!(files_in(&self.out()), BTreeSet::from([self.out().join("pulled.wasm")]));
        assert!(std::fs::read(self.out().join("pulled.wasm")).unwrap() == self.component);
    }

    /// Asserts that the pull failed, and left no file.
    fn is_not_pulled(&self, ended: &Ended, code: i32, texts: &[&str]) {
        says(ended, code, texts);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        assert_eq!(files_in(&self.out()), BTreeSet::new());
    }

    /// Returns the hexadecimal digest of the component, which is part of the target of every
    /// request for it except POST and PATCH.
    fn layer(&self) -> String {
        sha256(&self.component).replace("sha256:", "")
    }

    fn half(&self) -> u64 {
        self.component.len() as u64 / 2
    }
}

/// Starts another host that a client could be redirected to, which records its requests.
fn stranger() -> Proxy {
    Proxy::at("127.0.0.2", &free_address())
}

/// Size of a part in bytes; larger blobs are sent in several parts.
const PART: u64 = 16 << 20;
