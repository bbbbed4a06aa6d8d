//! Container process: started by a test, used over its port, with its output streams read
//! separately.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::process::Process;
use crate::{Answer, Sandbox, binary, free_address, http, send};

/// Line that ends an activation's logs.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// OpenWhisk's default time limit of an action.
const MINUTE: Duration = Duration::from_secs(60);

/// Time limit for logs to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the `keynet-runtime` that was built with the tests, or the one that `tests/in-image`
/// sets in its place.
pub fn runtime_binary() -> PathBuf {
    if let Some(other) = std::env::var_os("KEYNET_TEST_RUNTIME") {
        return other.into();
    }
    let binary = binary().with_file_name("keynet-runtime");
    assert!(
        binary.exists(),
        "{} is missing: run `make test`, or `cargo build -p keynet-host -p keynet-inference`",
        binary.display()
    );
    binary
}

/// Running `keynet-runtime`.
pub struct Runtime {
    process: Process,
    address: String,
    stdout: Lines,
    stderr: Lines,
}

/// Logs of one activation, without the end markers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Lines of standard output.
    pub stdout: Vec<String>,
    /// Lines of standard error, without the receipt.
    pub stderr: Vec<String>,
    /// Resource usage, if the log contains it.
    pub receipt: Option<Value>,
}

/// Lines of one output stream.
#[derive(Clone, Default)]
struct Lines(Arc<(Mutex<VecDeque<String>>, Condvar)>);

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let arriving = lines.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                if pipe.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                    return;
                }
                assert_eq!(line.pop(), Some(b'\n'), "the stream ended within a line: {line:?}");
                arriving
                    .0
                    .0
                    .lock()
                    .expect("the lines")
                    .push_back(String::from_utf8_lossy(&line).into_owned());
                arriving.0.1.notify_all();
            }
        });
        lines
    }

    /// Returns the lines before the next end marker, and removes the marker.
    fn until_end(&self) -> Vec<String> {
        let lines = self.0.0.lock().expect("the lines");
        let has_no_end =
            |lines: &mut VecDeque<String>| !lines.iter().any(|line| line.contains(SENTINEL));
        let (mut lines, late) =
            self.0.1.wait_timeout_while(lines, PATIENCE, has_no_end).expect("the lines");
        assert!(!late.timed_out(), "no end of an activation came: {lines:?}");
        let at = lines.iter().position(|line| line.contains(SENTINEL)).expect("an end");
        assert_eq!(lines[at], SENTINEL, "the platform drops the whole line");
        let before = lines.drain(..at).collect();
        lines.pop_front();
        before
    }

    fn now(&self) -> Vec<String> {
        self.0.0.lock().expect("the lines").iter().cloned().collect()
    }
}

impl Runtime {
    /// Starts the runtime in the folder and environment of `sandbox`, and waits until it listens.
    /// It writes receipts unless the sandbox sets `KEYNET_RECEIPTS`.
    pub fn start(sandbox: &Sandbox) -> Self {
        let address = free_address();
        let port = address.rsplit(':').next().expect("a port").to_owned();
        let mut command = sandbox.program(runtime_binary(), ["--port", &port]);
        if !sandbox.environment().contains_key("KEYNET_RECEIPTS") {
            command.env("KEYNET_RECEIPTS", "true");
        }
        Self::with(command, address)
    }

    /// Starts `command`, and waits until `address` answers.
    pub fn with(mut command: Command, address: String) -> Self {
        let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (stdout, stderr) = (
            process.pipes().stdout.take().expect("a pipe"),
            process.pipes().stderr.take().expect("a pipe"),
        );
        let (stdout, stderr) = (Lines::of(stdout), Lines::of(stderr));
        process
            .listens_within(&address, PATIENCE)
            .unwrap_or_else(|why| panic!("{why}: {:?}", stderr.now()));
        Self { process, address, stdout, stderr }
    }

    /// Starts the runtime, and loads the component at `path` by `/init`.
    pub fn of(sandbox: &Sandbox, path: &Path) -> Self {
        let runtime = Self::start(sandbox);
        let answer = runtime.init(&base64_of(path));
        assert_eq!(
            (answer.status, answer.text()),
            (200, "{\"ok\":true}"),
            "{:?}",
            runtime.stderr.now()
        );
        runtime
    }

    /// Starts the runtime with the component at `path` as that of its image: a component with numpy
    /// and Pillow is larger than `/init` accepts as text.
    pub fn of_image(sandbox: &mut Sandbox, path: &Path) -> Self {
        sandbox.set("KEYNET_ACTION", path.display());
        let runtime = Self::start(sandbox);
        let answer = runtime.init("");
        assert_eq!(
            (answer.status, answer.text()),
            (200, "{\"ok\":true}"),
            "{:?}",
            runtime.stderr.now()
        );
        runtime
    }

    /// Returns its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends `POST path` with a body. Asserts that the response has a `Content-Length`, which
    /// OpenWhisk requires.
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        let answer =
            http(&self.address, "POST", path, &[("Content-Type", "application/json")], body);
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-length: {}", answer.body.len())), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        answer
    }

    /// Sends `POST /init` with `code`, as OpenWhisk does.
    pub fn init(&self, code: &str) -> Answer {
        self.init_with(code, &json!({}))
    }

    /// Same as [`Runtime::init`], with variables.
    pub fn init_with(&self, code: &str, env: &Value) -> Answer {
        self.post("/init", initialization(code, "main", env).to_string().as_bytes())
    }

    /// Sends `POST /run` with `value`, as OpenWhisk does, with a time limit of a minute.
    pub fn run(&self, value: &Value) -> Answer {
        self.run_within(value, MINUTE)
    }

    /// Same as [`Runtime::run`], with another time limit.
    pub fn run_within(&self, value: &Value, time: Duration) -> Answer {
        self.post("/run", activation(value, time).to_string().as_bytes())
    }

    /// Same as [`Runtime::run`], without waiting for the response.
    pub fn begin(&self, value: &Value) -> TcpStream {
        send(&self.address, "POST", "/run", &[], activation(value, MINUTE).to_string().as_bytes())
    }

    /// Waits for the next end marker on both streams, and returns the lines before them.
    pub fn window(&self) -> Window {
        let (stdout, stderr) = (self.stdout.until_end(), self.stderr.until_end());
        let is_receipt = |line: &String| line.starts_with("keynet-receipt: ");
        let receipt = stderr
            .iter()
            .find(|line| is_receipt(line))
            .map(|line| line["keynet-receipt: ".len()..].to_owned());
        Window {
            stdout,
            stderr: stderr.into_iter().filter(|line| !is_receipt(line)).collect(),
            receipt: receipt
                .map(|text| serde_json::from_str(&text).expect("a receipt is one line of JSON")),
        }
    }

    /// Returns the lines of both streams since the last window; lines that are still being written
    /// may be missing.
    pub fn rest(&self) -> (Vec<String>, Vec<String>) {
        (self.stdout.now(), self.stderr.now())
    }

    /// Waits until one of the lines since the last window contains `text`.
    pub fn says(&self, text: &str) {
        let started = Instant::now();
        while !self.stdout.now().iter().chain(&self.stderr.now()).any(|line| line.contains(text)) {
            assert!(started.elapsed() < PATIENCE, "it did not say {text:?}: {:?}", self.rest());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Deref for Runtime {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Runtime {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Returns the body of `/init`.
pub fn initialization(code: &str, main: &str, env: &Value) -> Value {
    json!({ "value": { "name": "test", "main": main, "binary": true, "code": code, "env": env } })
}

/// Returns the body of `/run`, with a deadline in `time`.
pub fn activation(value: &Value, time: Duration) -> Value {
    json!({
        "value": value,
        "namespace": "guest",
        "action_name": "/guest/test",
        "action_version": "0.0.1",
        "activation_id": "0123456789abcdef0123456789abcdef",
        "transaction_id": "tid_1",
        "deadline": deadline(time),
    })
}

/// Returns the moment in `time` as OpenWhisk writes it.
pub fn deadline(time: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    (now + time).as_millis().to_string()
}

/// Encodes a file as `base64 -w0` does.
pub fn base64_of(path: &Path) -> String {
    base64(&std::fs::read(path).expect("the file"))
}

/// Encodes as in RFC 4648, with padding; the tests have their own implementation so that the host's
/// is not tested against itself.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for digit in 0..4 {
            match digit <= three.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_the_one_everybody_writes() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
