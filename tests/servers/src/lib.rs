//! Starts the real servers that tests use: an OCI registry, Triton, S3 and MLflow, with the scripts
//! beside this crate.
//!
//! Each server has free ports of 127.0.0.1 and a folder of its own. It ends with its
//! [`RealServer`], or with the process of the test if that is killed.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // a test that cannot continue panics

mod faults;
mod hostile;
mod own_process;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

pub use faults::{Fault, FaultyProxy};
pub use hostile::{Hostile, HostileServer};
pub use own_process::in_own_process;

/// Running server; stopped when dropped.
#[derive(Debug)]
pub struct RealServer {
    script: &'static str,
    mode: String,
    environment: BTreeMap<String, String>,
    endpoints: BTreeMap<String, String>,
    folder: tempfile::TempDir,
}

impl RealServer {
    /// Starts an OCI registry. `mode` is `none`, `basic`, `tls` or `token`. Reports `REGISTRY`, and
    /// where they apply `REGISTRY_USER`, `REGISTRY_PASSWORD`, `REGISTRY_CA`,
    /// `REGISTRY_TOKEN_REALM`.
    pub fn registry(mode: &str) -> Self {
        Self::registry_with(mode, &[])
    }

    /// Same as [`Self::registry`], with variables of the script (`TOKEN_TTL`).
    pub fn registry_with(mode: &str, settings: &[(&str, &str)]) -> Self {
        Self::start("registry.sh", mode, &[("REGISTRY_PORT", &[0, 1, 2, 3, 4])], settings)
    }

    /// Starts Triton with the models of `triton/models`, or of the folder in the variable
    /// `TRITON_MODELS`. `settings` are variables of the script (`TRITON_TLS`, `TRITON_TOKEN`,
    /// `TRITON_ARGS`). Reports `TRITON_GRPC`, `TRITON_HTTP`, `TRITON_METRICS`.
    pub fn triton(settings: &[(&str, &str)]) -> Self {
        Self::start("triton.sh", "", &[("HTTP_PORT", &[0, 1, 2])], settings)
    }

    /// Starts an S3 store with the buckets of `S3_BUCKETS` (`test`). Reports `S3_ENDPOINT`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`.
    pub fn s3(settings: &[(&str, &str)]) -> Self {
        Self::start(
            "s3.sh",
            "",
            &[("S3_PORT", &[0, 1, 2, 3, 4, 6, 10_000, 10_001, 10_002, 10_003, 10_004])],
            settings,
        )
    }

    /// Starts MLflow. `mode` is `none`, `basic` or `bearer`. Reports `MLFLOW_TRACKING_URI` and,
    /// where they apply, `MLFLOW_TRACKING_USERNAME`, `MLFLOW_TRACKING_PASSWORD`,
    /// `MLFLOW_TRACKING_TOKEN`.
    pub fn mlflow(mode: &str) -> Self {
        Self::start("mlflow.sh", mode, &[("MLFLOW_PORT", &[0, 1, 2])], &[])
    }

    /// Starts a gRPC gateway in front of `server` (`127.0.0.1:8001`), which requires the bearer
    /// token `token`. Reports `GATEWAY`.
    pub fn gateway(server: &str, token: &str) -> Self {
        Self::start(
            "gateway.sh",
            "",
            &[("GATEWAY_PORT", &[0])],
            &[("GATEWAY_SERVER", server), ("GATEWAY_TOKEN", token)],
        )
    }

    /// Starts Prometheus, which scrapes the metrics at `target` (`127.0.0.1:9464`). Reports
    /// `PROMETHEUS`.
    pub fn prometheus(target: &str) -> Self {
        let target = [("PROMETHEUS_TARGET", target)];
        Self::start("prometheus.sh", "", &[("PROMETHEUS_PORT", &[0])], &target)
    }

    fn start(
        script: &'static str,
        mode: &str,
        ports: &[(&str, &[u16])],
        settings: &[(&str, &str)],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut environment: BTreeMap<_, _> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        environment.insert("SERVERS_DATA".to_owned(), folder.path().display().to_string());
        environment.insert("SERVERS_OWNER".to_owned(), std::process::id().to_string());
        for (name, offsets) in ports {
            environment.insert((*name).to_owned(), free_port(offsets).to_string());
        }
        let mut server =
            Self { script, mode: mode.to_owned(), environment, endpoints: BTreeMap::new(), folder };
        server.resume();
        server
    }

    /// Starts it again on the same ports, with its data.
    pub fn resume(&mut self) {
        let said = self.run("start");
        self.endpoints = said
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.into(), v.into()))
            .collect();
    }

    /// Stops it; its data is kept.
    pub fn stop(&self) {
        self.run("stop");
    }

    /// Kills it and its child processes, as the system does when memory is short: responses are
    /// interrupted.
    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Sends a signal, such as `STOP`, to it and to its child processes.
    pub fn signal(&self, name: &str) {
        let files = std::fs::read_dir(self.folder())
            .expect("its folder")
            .flatten()
            .map(|entry| entry.path());
        for file in
            files.filter(|path| path.extension().is_some_and(|extension| extension == "pid"))
        {
            let known = std::fs::read_to_string(file).expect("its process");
            let process = known.split(' ').next().expect("PID START");
            let sent = Command::new("bash")
                .arg("-c")
                .arg(format!("kill -{name} -- -{process}"))
                .status()
                .expect("bash");
            assert!(sent.success(), "{} has no process {process}", self.script);
        }
    }

    /// Returns the output of the script's command `seed`: for MLflow it registers the model
    /// `detector`, versions 1 and 2, with the alias `champion` for 2.
    pub fn seed(&self) -> String {
        self.run("seed")
    }

    /// Returns one of the endpoints that the script reported.
    pub fn get(&self, name: &str) -> &str {
        self.endpoints
            .get(name)
            .unwrap_or_else(|| panic!("{} says no {name}: {:?}", self.script, self.endpoints))
    }

    /// Returns the folder of its data, logs and certificates.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, command: &str) -> String {
        let mut script = Command::new(scripts().join(self.script));
        script
            .arg(command)
            .args(Some(&self.mode).filter(|mode| !mode.is_empty()))
            .envs(&self.environment);
        let ended = script.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("bash");
        assert!(ended.status.success(), "{} {command} {} failed", self.script, self.mode);
        String::from_utf8(ended.stdout).expect("text")
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Returns a port for which all of `offsets` above it are free. The port is below the range that
/// the system assigns itself, and differs between test processes and between the servers of one
/// process, which may be starting at the same time.
fn free_port(offsets: &[u16]) -> u16 {
    static SERVERS: AtomicU16 = AtomicU16::new(0);
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = u16::try_from(std::process::id() % 900).expect("a small number")
        + SERVERS.fetch_add(1, Ordering::Relaxed) % 9 * 101;
    let mut candidates = (0..900).map(|step| 10_100 + (start + step) % 900 * 12);
    candidates.find(|port| offsets.iter().all(|offset| free(port + offset))).expect("a free port")
}
