//! Load by `wrk`, and its measurements.

use std::fmt::Write as _;
use std::process::Command;

/// Request of all measurements: the body that OpenWhisk sends for `{"name": "Ada"}`.
pub const REQUEST: &str = r#"{"value":{"name":"Ada"},"namespace":"guest","action_name":"/guest/hello","action_version":"0.0.1","activation_id":"0123456789abcdef0123456789abcdef","transaction_id":"tid_1","deadline":"4102444800000"}"#;

/// Duration of a load in seconds.
const SECONDS: u32 = 5;

/// Measurements of a load.
#[derive(Debug)]
pub struct Load {
    /// Responses per second.
    pub per_second: f64,
    /// Median latency in microseconds.
    pub p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub p99_us: f64,
}

/// Loads `POST /run` of a port with this number of persistent connections. Every response must be
/// 200.
pub fn load(port: u16, connections: u32) -> Load {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("post.lua");
    let mut lua = String::new();
    writeln!(
        lua,
        "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body \
        = '{REQUEST}'"
    )
    .expect("text");
    lua.push_str(
        "done = function(summary, latency)\n io.write(string.format('FIGURES %d %d %f %f \
        %f\\n', summary.requests,\n",
    );
    lua.push_str(
        "  summary.errors.status + summary.errors.connect + summary.errors.read + \
            summary.errors.write + summary.errors.timeout,\n",
    );
    lua.push_str("  summary.duration, latency:percentile(50), latency:percentile(99)))\nend\n");
    std::fs::write(&script, lua).expect("a script");
    let threads = if connections == 1 { 1 } else { 2 };
    let ended = Command::new("wrk")
        .args([
            "-t",
            &threads.to_string(),
            "-c",
            &connections.to_string(),
            "-d",
            &format!("{SECONDS}s"),
            "--timeout",
            "30s",
            "-s",
        ])
        .arg(&script)
        .arg(format!("http://127.0.0.1:{port}/run"))
        .output()
        .expect("wrk (Debian's package of that name)");
    let said = String::from_utf8_lossy(&ended.stdout);
    let figures = said
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "))
        .unwrap_or_else(|| panic!("wrk said: {said}"));
    let figures: Vec<f64> =
        figures.split(' ').map(|figure| figure.parse().expect("a number")).collect();
    let [requests, errors, microseconds, p50, p99] = figures.try_into().expect("five figures");
    assert!(errors == 0.0, "{errors} of {requests} answers were errors: {said}");
    Load { per_second: requests / (microseconds / 1e6), p50_us: p50, p99_us: p99 }
}
