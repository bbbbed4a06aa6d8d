//! `GET /metrics` of the container and of the node, read strictly and by Prometheus itself.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use keynet_test_servers::RealServer;
use keynet_tests::node::{Node, Tenant};
use keynet_tests::open_metrics::{self, Metrics, value};
use keynet_tests::runtime::Runtime;
use keynet_tests::{Sandbox, free_address, guest, http, root};
use serde_json::{Value, json};

fn scraped(address: &str) -> (String, Metrics) {
    let answer = http(address, "GET", "/metrics", &[], b"");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("application/openmetrics-text; version=1.0.0"), "{}", answer.head);
    let text = answer.text().to_owned();
    let metrics = open_metrics::read(&text);
    (text, metrics)
}

#[test]
fn a_container_measures_its_activations_by_outcome_phase_and_model() {
    let (mut sandbox, address) = (Sandbox::new(), free_address());
    sandbox.set("KEYNET_METRICS", &address);
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:9797/");
    let runtime = Runtime::start(&sandbox);
    let (_, before) = scraped(&address);
    assert_eq!(value(&before, "keynet_activations_total", &[]), 0.0);
    let code = keynet_tests::runtime::base64_of(&guest("capable"));
    assert_eq!(runtime.init(&code).status, 200);
    for part in ["predict", "objects", "predict"] {
        assert_eq!(runtime.run(&json!({ "do": part })).status, 200, "{part}");
        runtime.window();
    }
    runtime.run(&json!({ "do": "fail" }));
    runtime.window();
    let (text, metrics) = scraped(&address);
    let count = |labels: &[_]| value(&metrics, "keynet_activations_total", labels);
    assert_eq!(count(&[("outcome", "success")]), 3.0, "{text}");
    assert_eq!(count(&[("outcome", "application_error")]), 1.0);
    for (phase, times) in
        [("queue", 4.0), ("instantiate", 4.0), ("guest", 4.0), ("answer", 4.0), ("inference", 2.0)]
    {
        let counted = value(&metrics, "keynet_activation_phase_seconds_count", &[("phase", phase)]);
        assert_eq!(counted, times, "{phase}: {text}");
    }
    assert!(value(&metrics, "keynet_model_runs_total", &[("engine", "rten")]) >= 2.0, "{text}");
    for (import, direction) in [
        ("inference", "sent"),
        ("inference", "received"),
        ("storage", "sent"),
        ("storage", "received"),
    ] {
        let labels = [("import", import), ("direction", direction)];
        let bytes = value(&metrics, "keynet_import_bytes_total", &labels);
        assert!(bytes > 0.0, "{import} {direction}: {text}");
    }
    assert_eq!(value(&metrics, "keynet_components_total", &[]), 1.0, "{text}");
    let (used, limit) = ("keynet_sandbox_memory_used_bytes", "keynet_sandbox_memory_limit_bytes");
    assert!(value(&metrics, used, &[]) < value(&metrics, limit, &[]), "{text}");
    assert_eq!(http(&address, "GET", "/run", &[], b"").status, 404);
    assert_eq!(http(&address, "POST", "/metrics", &[], b"").status, 404);
}

#[test]
fn a_container_without_an_address_for_metrics_listens_on_one_port_only() {
    let runtime = Runtime::of(&Sandbox::new(), &guest("contract"));
    let answer = http(runtime.address(), "GET", "/metrics", &[], b"");
    assert_eq!(answer.status, 404);
}

#[test]
fn an_address_for_metrics_that_is_taken_is_named() {
    let mut sandbox = Sandbox::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    sandbox.set("KEYNET_METRICS", taken.local_addr().unwrap());
    let runtime = keynet_tests::runtime::runtime_binary();
    let port = free_address();
    let port = port.rsplit(':').next().unwrap();
    let ended = keynet_tests::end(sandbox.program(runtime, ["--port", port]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let address = taken.local_addr().unwrap().to_string();
    assert!(
        ended.stderr.contains("KEYNET_METRICS") && ended.stderr.contains(&address),
        "{ended:?}"
    );
}

/// A node with one activation of each kind, and its metrics.
fn busy_node(sandbox: &Sandbox, address: &str) -> Node {
    let node = Node::start(sandbox, &format!("metrics = {address:?}"), &[Tenant::new("team-a")]);
    let team = node.client("team-a");
    team.deployed("capable", &guest("capable"));
    for part in ["predict", "objects", "fail"] {
        team.invoke("capable", &json!({ "do": part }));
    }
    node
}

#[test]
fn a_node_has_the_metrics_of_a_container_and_the_state_of_its_namespaces() {
    let (sandbox, address) = (Sandbox::new(), free_address());
    let _node = busy_node(&sandbox, &address);
    let (text, metrics) = scraped(&address);
    let labels = [("namespace", "team-a"), ("action", "capable"), ("outcome", "success")];
    assert_eq!(value(&metrics, "keynet_activations_total", &labels), 2.0, "{text}");
    for name in [
        "keynet_slots",
        "keynet_memory_limit_bytes",
        "keynet_records_stored_bytes",
        "keynet_loaded_actions",
        "keynet_sandbox_slots",
        "keynet_model_runs",
        "keynet_spans",
    ] {
        assert!(metrics.contains_key(name), "{name}: {text}");
    }
}

/// Names of metrics in a query.
fn names(query: &str) -> Vec<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("keynet_")).map(str::to_owned).collect()
}

fn queries() -> Vec<String> {
    let dashboard = std::fs::read_to_string(root().join("docs/grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn prometheus_reads_a_node_and_the_dashboard_asks_for_what_there_is() {
    let (sandbox, address) = (Sandbox::new(), free_address());
    let _node = busy_node(&sandbox, &address);
    let (text, metrics) = scraped(&address);
    for query in queries() {
        for name in names(&query) {
            let samples = metrics.values().flat_map(|family| &family.samples);
            assert!(samples.into_iter().any(|sample| sample.name == name), "{name}: {text}");
        }
    }
    let prometheus = RealServer::prometheus(&address);
    let ask = |query: &str| -> Value {
        let escaped: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let target = format!("/api/v1/query?query={escaped}");
        let answer = http(prometheus.get("PROMETHEUS"), "GET", &target, &[], b"");
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()["data"]["result"].clone()
    };
    let started = Instant::now();
    while ask("up{job=\"keynet\"} == 1").as_array().is_none_or(Vec::is_empty) {
        assert!(started.elapsed() < Duration::from_secs(30), "it takes no samples");
        thread::sleep(Duration::from_millis(100));
    }
    let known = ask("count({__name__=~\"keynet_.+\"})");
    let samples = metrics.values().map(|family| family.samples.len()).sum::<usize>();
    assert_eq!(known[0]["value"][1], samples.to_string(), "Prometheus read each sample");
    for query in queries() {
        ask(&query.replace("$__rate_interval", "1m"));
    }
    assert_eq!(ask("keynet_build_info")[0]["metric"]["job"], "keynet");
}

#[test]
fn promtool_has_no_remarks_on_the_names() {
    let (sandbox, address) = (Sandbox::new(), free_address());
    let _node = busy_node(&sandbox, &address);
    let (text, _) = scraped(&address);
    // promtool reads Prometheus' older text: there a counter's type has its whole name.
    let older: String = text
        .lines()
        .filter(|line| !line.starts_with("# UNIT") && *line != "# EOF")
        .map(|line| older(line, &text))
        .collect();
    let mut lint = Command::new(root().join("tests/servers/prometheus.sh"))
        .arg("lint")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lint.stdin.take().unwrap().write_all(older.as_bytes()).unwrap();
    let ended = lint.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}{older}");
}

fn older(line: &str, text: &str) -> String {
    let mut words = line.splitn(4, ' ');
    let (Some("#"), Some(what), Some(name), Some(rest)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return format!("{line}\n");
    };
    let is = |kind: &str| text.contains(&format!("# TYPE {name} {kind}\n"));
    match (is("counter"), is("info")) {
        (true, _) => format!("# {what} {name}_total {rest}\n"),
        (_, true) => format!("# {what} {name}_info {}\n", rest.replace("info", "gauge")),
        _ => format!("{line}\n"),
    }
}
