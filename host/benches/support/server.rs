//! A server as a process of its own, whose streams are read as OpenWhisk reads them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kind of server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The container's process.
    Runtime,
    /// This program as the echo server.
    Echo,
}

/// Folders of compiled code and keys.
pub struct Caches {
    folder: tempfile::TempDir,
    /// Cache that servers share and fill.
    pub warm: PathBuf,
}

impl Caches {
    /// Creates empty caches.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { warm: folder.path().join("warm"), folder }
    }

    /// Creates an empty cache.
    pub fn cold(&self) -> PathBuf {
        tempfile::tempdir_in(self.folder.path()).expect("a folder").keep()
    }
}

/// A server process, which is killed when this is dropped.
pub struct Server {
    child: Child,
    port: u16,
    started: Instant,
    opened: Duration,
}

/// Returns the variables of metrics and traces, to measure what they cost.
fn telemetry() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with("OTEL_") || name == "KEYNET_METRICS")
}

impl Server {
    /// Starts a server, and waits until its port is open.
    pub fn start(kind: Kind, cache: &std::path::Path, concurrent: bool) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let mut command = match kind {
            Kind::Runtime => Command::new(env!("CARGO_BIN_EXE_keynet-runtime")),
            Kind::Echo => Command::new(std::env::current_exe().expect("this program")),
        };
        match kind {
            Kind::Runtime => command.arg("--port"),
            Kind::Echo => command.arg(super::echo::ROLE),
        };
        command
            .arg(port.to_string())
            .env_clear()
            .env("KEYNET_CACHE", cache.join("cache"))
            .env("KEYNET_STATE_DIR", cache.join("state"));
        command
            .env("__OW_ALLOW_CONCURRENT", concurrent.to_string())
            .envs(telemetry())
            .current_dir(std::env::temp_dir());
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a server");
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "no port was opened");
            std::thread::sleep(Duration::from_micros(100));
        }
        let opened = started.elapsed();
        read(child.stdout.take().expect("a pipe"));
        read(child.stderr.take().expect("a pipe"));
        Self { child, port, started, opened }
    }

    /// Returns the port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the time of its start.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Returns the time that it took to open its port.
    pub fn opened_after(&self) -> Duration {
        self.opened
    }

    /// Returns its private memory in MiB.
    pub fn private_mib(&self) -> f64 {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))
            .expect("smaps_rollup");
        let kib = |line: &str| {
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0)
        };
        rollup.lines().filter(|line| line.starts_with("Private_")).map(kib).sum::<f64>() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut pipe: impl Read + Send + 'static) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while pipe.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
}

/// A caller that keeps its connection.
pub struct Caller(TcpStream);

impl Caller {
    /// Connects to a port.
    pub fn new(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self(stream)
    }

    /// Sends `POST /run`, and returns the time until its response, which must be 200 and fit into a
    /// packet.
    pub fn run(&mut self, body: &str) -> Duration {
        let request = format!(
            "POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let started = Instant::now();
        self.0.write_all(request.as_bytes()).expect("a request");
        let mut answer = [0; 4096];
        let length = self.0.read(&mut answer).expect("an answer");
        let took = started.elapsed();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        took
    }
}

/// Sends `POST path` on a connection of its own, as OpenWhisk does by default; returns the status
/// and the body.
pub fn post(port: u16, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: \
        close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"),
        body.to_owned(),
    )
}
