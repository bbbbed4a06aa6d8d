//! Test support: runs the command line as a user would, and measures its resources.
//!
//! `tests/run` builds the binary and the guests before the tests run; the tests only look for them.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)] // a test that cannot go on panics

pub mod browser;
pub mod golden;
pub mod hostile;
pub mod made;
pub mod node;
pub mod oci;
pub mod open_metrics;
pub mod openwhisk_api;
pub mod otlp;
pub mod outsiders;
pub mod platform;
pub mod process;
pub mod projects;
pub mod proxy;
pub mod registry;
pub mod runtime;
pub mod shared_memory;
pub mod terminal;
pub mod wire;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use process::Process;

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// Returns the `keynet-inference` that was built with the tests.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let folder = test.ancestors().nth(2).expect("target/debug/deps/test");
    let binary = folder.join("keynet-inference");
    assert!(
        binary.exists(),
        "{} is missing: run `make test`, or `cargo build -p keynet-inference`",
        binary.display()
    );
    binary
}

/// Returns the user's own cache, with what is slow to make.
pub fn user_cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache");
    let user = || {
        let caches = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        caches.join("keynet-inference")
    };
    std::env::var_os("KEYNET_CACHE").map_or_else(user, PathBuf::from)
}

/// Returns a component that `tests/build-guests` built.
pub fn guest(name: &str) -> PathBuf {
    let folder = std::env::var_os("KEYNET_GUESTS")
        .map_or_else(|| binary().ancestors().nth(2).expect("target").join("guests"), PathBuf::from);
    let component = folder.join(name).with_extension("wasm");
    assert!(
        component.exists(),
        "{} is missing: run `make test`, or `tests/build-guests`",
        component.display()
    );
    component
}

/// Same as [`guest`], compiled when this returns: one process compiles it, and other tests that
/// need it wait for that. A component with a language's runtime takes half a minute of processor
/// time, more than a test's command may take on a busy machine.
pub fn compiled_guest(name: &str) -> PathBuf {
    let component = guest(name);
    let turn =
        File::create(binary().with_file_name(format!("test-compiles-{name}"))).expect("a lock");
    turn.lock().expect("a lock");
    let mut sandbox = Sandbox::new();
    sandbox.set("KEYNET_COMPILE_TIME", "10m");
    let ended = end_within(
        sandbox.command(["inspect".as_ref(), component.as_os_str()]),
        Duration::from_secs(600),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    component
}

/// Folder and environment of a user's commands. The cache, and the key of its content, are shared
/// by all sandboxes: compiling takes time.
pub struct Sandbox {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

/// Result of a command.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Peak memory in MiB.
    pub peak_mib: u64,
    /// Id of the process.
    pub process: u32,
}

impl Ended {
    /// Parses standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl Sandbox {
    /// Creates an empty folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut sandbox = Self { folder, environment: BTreeMap::new() };
        let models = root().join("host/crates/models/tests/models");
        sandbox.set("KEYNET_STATE_DIR", binary().with_file_name("test-state").display());
        sandbox.set("KEYNET_STORAGE", sandbox.path("storage").display());
        sandbox.set("KEYNET_MODELS", models.display());
        sandbox.set("KEYNET_CACHE", binary().with_file_name("test-cache").display());
        sandbox.set("XDG_CONFIG_HOME", sandbox.path("config").display());
        sandbox.set("DOCKER_CONFIG", sandbox.path("docker").display());
        sandbox
    }

    /// Creates an empty folder with its own cache and keys: nothing is compiled yet.
    pub fn without_cache() -> Self {
        let mut sandbox = Self::new();
        sandbox.set("KEYNET_STATE_DIR", sandbox.path("state").display());
        sandbox.set("KEYNET_CACHE", sandbox.path("cache").display());
        sandbox
    }

    /// Returns a path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl ToString) {
        self.environment.insert(name.to_owned(), value.to_string());
    }

    /// Returns the variables that were set.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Returns the command `keynet-inference ARGUMENTS`.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.program(binary(), arguments)
    }

    /// Returns the command of another program, with the folder and the environment of
    /// `keynet-inference`.
    pub fn program<S: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = Command::new(program);
        let inherited = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "KEYNET_WASM_TOOLCHAIN"];
        let kept = inherited.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .envs(kept)
            .envs(&self.environment)
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Runs `keynet-inference` to its end, for at most two minutes.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        end(self.command(arguments))
    }

    /// Starts `keynet-inference run GUEST --serve`, and waits until it listens.
    pub fn serve(&self, guest: &Path) -> Server {
        let address = free_address();
        let arguments =
            [Path::new("run").as_os_str(), guest.as_os_str(), "--serve".as_ref(), address.as_ref()];
        Server::start(self.command(arguments), address)
    }

    /// Starts `keynet-inference storage serve` at the address that presigned URLs use from now on,
    /// and waits until it listens.
    pub fn serve_objects(&mut self) -> Server {
        let address = free_address();
        self.set("KEYNET_STORAGE_PUBLIC_URL", format!("http://{address}/"));
        Server::start(self.command(["storage", "serve"]), address)
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Asserts the exit code of a command, and parts of its messages.
pub fn says(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    for text in texts {
        assert!(ended.stderr.contains(text), "lacks {text:?}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
}

/// Runs a command to its end, for at most two minutes, and measures its memory.
pub fn end(command: Command) -> Ended {
    end_within(command, Duration::from_secs(120))
}

/// Same as [`end`], with standard input.
pub fn end_with_input(mut command: Command, input: &str) -> Ended {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(input.as_bytes()).and_then(|()| file.rewind()).expect("a file");
    command.stdin(file);
    end(command)
}

/// Same as [`end`], for commands that take longer.
pub fn end_within(mut command: Command, time: Duration) -> Ended {
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let read = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let stdout = read(Box::new(process.pipes().stdout.take().expect("a pipe")));
    let stderr = read(Box::new(process.pipes().stderr.take().expect("a pipe")));
    let started = Instant::now();
    let (mut peak_mib, id) = (0, process.id());
    let status = loop {
        peak_mib = peak_mib.max(process.peak_mib());
        if let Some(status) = process.ended() {
            break status;
        }
        if started.elapsed() > time {
            drop(process);
            panic!(
                "it did not end within {time:?}; it said: {}",
                stderr.join().unwrap_or_default()
            );
        }
        thread::sleep(Duration::from_millis(2));
    };
    Ended {
        code: status.code(),
        stdout: stdout.join().expect("output"),
        stderr: stderr.join().expect("output"),
        peak_mib,
        process: id,
    }
}

/// Returns an address of this machine at which no server listens before the test starts one. Its port
/// is below the range from which the system chooses ports of connections, and no other test process
/// gets it as long as this one runs, which holds a lock for it.
pub fn free_address() -> String {
    const FIRST: u32 = 31_000;
    const PORTS: u32 = 1_700;
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let user = std::fs::metadata("/proc/self").expect("this process").uid();
    let locks = std::env::temp_dir().join(format!("keynet-test-ports-{user}"));
    std::fs::create_dir_all(&locks).expect("a folder of locks");
    let start = std::process::id().wrapping_mul(97);
    let mut candidates = (0..PORTS)
        .map(|_| FIRST + start.wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed)) % PORTS);
    let free = |port: u32| {
        let lock = File::create(locks.join(port.to_string())).expect("a lock");
        let address = format!("127.0.0.1:{port}");
        lock.try_lock().ok()?;
        // A listener that is bound to find out would be inherited by a process that another thread starts
        // at this moment, and answer for the server that the test starts.
        TcpStream::connect(&address).err()?;
        std::mem::forget(lock); // held until this process ends
        Some(address)
    };
    candidates.find_map(free).expect("a free port")
}

/// HTTP response.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Parses the body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }
}

/// Sends one HTTP/1.1 request on a connection of its own, and returns the response.
pub fn http(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    answer(send(address, method, target, headers, body))
}

/// Sends a request, and returns the connection to read the response from.
pub fn send(
    address: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Length: \
        {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    // A server may answer before it has read the whole request.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    stream
}

/// Reads the response from a connection.
pub fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    Answer::parse(&bytes)
}

/// Returns the response to GET of a URL of the form `http://ADDRESS/TARGET`.
pub fn fetch(url: &str) -> Answer {
    let (address, target) = split_url(url);
    http(address, "GET", &target, &[], &[])
}

/// Returns the address and the target of a URL.
pub fn split_url(url: &str) -> (&str, String) {
    let (address, target) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("http://ADDRESS/TARGET");
    (address, format!("/{target}"))
}

/// Server: a process with an address.
pub struct Server {
    process: Process,
    address: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server, and waits until it listens on `address`.
    pub fn start(mut command: Command, address: String) -> Self {
        let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let stderr = process.pipes().stderr.take().expect("a pipe");
        let said = Arc::new(Mutex::new(Vec::new()));
        let saying = Arc::clone(&said);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                saying.lock().expect("the lines").push(line);
            }
        });
        process
            .listens_within(&address, Duration::from_secs(60))
            .unwrap_or_else(|why| panic!("{why}"));
        Self { process, address, said }
    }

    /// Returns the address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Posts parameters, and returns the status and the result.
    pub fn post(&self, parameters: &Value) -> (u16, Value) {
        let answer = http(&self.address, "POST", "/", &[], parameters.to_string().as_bytes());
        (answer.status, answer.json())
    }

    /// Waits for a line on standard error that contains `text`, and returns it.
    pub fn says(&self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let said = self
                .said
                .lock()
                .expect("the lines")
                .iter()
                .find(|line| line.contains(text))
                .cloned();
            match said {
                Some(line) => return line,
                None if started.elapsed() > Duration::from_secs(20) => {
                    panic!("it did not say {text:?}: {:#?}", self.said.lock())
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
