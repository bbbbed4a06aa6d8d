//! A container's process: started, spoken to over its port, its two streams read apart.

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

/// What ends an activation's logs.
pub const SENTINEL: &str = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

/// What the platform gives an action unless it asks for more.
const MINUTE: Duration = Duration::from_secs(60);

/// How long logs may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// The `keynet-runtime` that was built with the tests, or what `tests/in-image` names in its place.
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

/// A `keynet-runtime` that listens.
pub struct Runtime {
    process: Process,
    address: String,
    stdout: Lines,
    stderr: Lines,
}

/// The logs of one activation, without the ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Lines of standard output.
    pub stdout: Vec<String>,
    /// Lines of standard error, without the receipt.
    pub stderr: Vec<String>,
    /// What it cost, where that was told.
    pub receipt: Option<Value>,
}

/// One stream, read as it comes.
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

    /// The lines before the next end, which is taken too.
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
    /// Starts it where and with what `sandbox` says, and waits until its port is open.
    pub fn start(sandbox: &Sandbox) -> Self {
        let address = free_address();
        let port = address.rsplit(':').next().expect("a port").to_owned();
        Self::with(sandbox.program(runtime_binary(), ["--port", &port]), address)
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

    /// With the component at `path` loaded.
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

    /// With the component at `path` loaded as that of its image: one with numpy and Pillow is
    /// larger than `/init` takes as text.
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

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `POST path` with a body. Its answer has a length, which the platform asks of all.
    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        let answer =
            http(&self.address, "POST", path, &[("Content-Type", "application/json")], body);
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-length: {}", answer.body.len())), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        answer
    }

    /// `POST /init` with `code`, as the platform does it.
    pub fn init(&self, code: &str) -> Answer {
        self.init_with(code, &json!({}))
    }

    /// As [`Runtime::init`], with variables.
    pub fn init_with(&self, code: &str, env: &Value) -> Answer {
        self.post("/init", initialization(code, "main", env).to_string().as_bytes())
    }

    /// `POST /run` with `value`, as the platform does it, with a minute's time.
    pub fn run(&self, value: &Value) -> Answer {
        self.run_within(value, MINUTE)
    }

    /// As [`Runtime::run`], with other time.
    pub fn run_within(&self, value: &Value, time: Duration) -> Answer {
        self.post("/run", activation(value, time).to_string().as_bytes())
    }

    /// As [`Runtime::run`], but the answer is not waited for.
    pub fn begin(&self, value: &Value) -> TcpStream {
        send(&self.address, "POST", "/run", &[], activation(value, MINUTE).to_string().as_bytes())
    }

    /// Waits for the next end on both streams, and takes what stands before them.
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

    /// The lines of both streams that came since the last window; those that are under way may be
    /// missing.
    pub fn rest(&self) -> (Vec<String>, Vec<String>) {
        (self.stdout.now(), self.stderr.now())
    }

    /// Waits until the lines that came since the last window have `text` in one of them.
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

/// The body of `/init`.
pub fn initialization(code: &str, main: &str, env: &Value) -> Value {
    json!({ "value": { "name": "test", "main": main, "binary": true, "code": code, "env": env } })
}

/// The body of `/run`, due in `time`.
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

/// The moment in `time` as the platform writes it.
pub fn deadline(time: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    (now + time).as_millis().to_string()
}

/// A file as `base64 -w0` writes it.
pub fn base64_of(path: &Path) -> String {
    base64(&std::fs::read(path).expect("the file"))
}

/// RFC 4648, with padding: the tests bring their own, so that nothing agrees with itself.
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
