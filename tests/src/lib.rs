//! Runs the command line as a user would, and watches what it costs.
//!
//! `tests/run` builds the binary and the guests before the tests run; the tests only look for them.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)] // a test that cannot go on panics

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The `keynet-inference` that was built with the tests.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let folder = test.ancestors().nth(2).expect("target/debug/deps/test");
    let binary = folder.join("keynet-inference");
    assert!(binary.exists(), "{} is missing: run `make test`, or `cargo build -p keynet-inference`", binary.display());
    binary
}

/// A component that `tests/build-guests` made.
pub fn guest(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("KEYNET_GUESTS").map_or_else(|| binary().ancestors().nth(2).expect("target").join("guests"), PathBuf::from);
    let component = folder.join(name).with_extension("wasm");
    assert!(component.exists(), "{} is missing: run `make test`, or `tests/build-guests`", component.display());
    component
}

/// A command of the user's, in a folder of its own. The cache, and the key of what is in it, are shared: compiling takes time.
pub struct Sandbox {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The most memory it held at once, in MiB.
    pub peak_mib: u64,
}

impl Ended {
    /// Its result.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl Sandbox {
    /// An empty folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sandbox = Self { folder, environment: BTreeMap::new() };
        let models = root().join("host/tests/models");
        sandbox.set("KEYNET_STATE_DIR", binary().with_file_name("test-state").display());
        sandbox.set("KEYNET_STORAGE", sandbox.path("storage").display());
        sandbox.set("KEYNET_MODELS", models.display());
        sandbox.set("KEYNET_CACHE", binary().with_file_name("test-cache").display());
        sandbox
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.environment.insert(name.to_owned(), value.to_string());
    }

    /// `keynet-inference ARGUMENTS`.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(binary());
        let inherited = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "KEYNET_WASM_TOOLCHAIN"];
        let kept = inherited.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.current_dir(self.folder.path()).env_clear().envs(kept).envs(&self.environment).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, which must come within two minutes.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        end(self.command(arguments))
    }

    /// `keynet-inference run GUEST --serve`, when it listens.
    pub fn serve(&self, guest: &Path) -> Server {
        let address = free_address();
        let arguments = [Path::new("run").as_os_str(), guest.as_os_str(), "--serve".as_ref(), address.as_ref()];
        let child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("keynet-inference");
        let mut server = Server { child, address };
        let stderr = server.child.stderr.take().expect("a pipe");
        thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        let started = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "nothing listens on {}", server.address);
            assert!(server.child.try_wait().expect("its state").is_none(), "it ended before it listened");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a command to its end and watches its memory.
pub fn end(mut command: Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command");
    let read = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("a pipe")));
    let stderr = read(Box::new(child.stderr.take().expect("a pipe")));
    let started = Instant::now();
    let mut peak_mib = 0;
    let status = loop {
        peak_mib = peak_mib.max(peak_of(child.id()));
        if let Some(status) = child.try_wait().expect("its state") {
            break status;
        }
        if started.elapsed() > Duration::from_secs(120) {
            let _ = child.kill();
            panic!("it did not end within two minutes; it said: {}", stderr.join().unwrap_or_default());
        }
        thread::sleep(Duration::from_millis(2));
    };
    Ended { code: status.code(), stdout: stdout.join().expect("output"), stderr: stderr.join().expect("output"), peak_mib }
}

/// The most memory a process has held so far, in MiB; 0 when it is gone.
pub fn peak_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").to_string()
}

/// An action that is served; stopped when dropped.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Sends parameters: the status and the answer.
    pub fn post(&self, parameters: &Value) -> (u16, Value) {
        let body = parameters.to_string();
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
        let head = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", self.address, body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// The most memory it has held so far, in MiB.
    pub fn peak_mib(&self) -> u64 {
        peak_of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
