//! What traces do not do: grow, delay, or show what they must not.

use std::time::{Duration, Instant};

use keynet_tests::otlp::{OtlpCollector, attribute};
use keynet_tests::runtime::Runtime;
use keynet_tests::{Sandbox, free_address, guest, http, open_metrics, runtime};
use serde_json::json;

fn traced(endpoint: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:9797/");
    sandbox
}

#[test]
fn an_action_that_calls_a_hundred_thousand_times_has_few_spans() {
    let collector = OtlpCollector::http();
    let sandbox = traced(&collector.url());
    let runtime = Runtime::of(&sandbox, &guest("hostile"));
    runtime.run(&json!({ "do": "open-objects" }));
    runtime.window();
    let spans = collector.trace_with("hostile");
    assert!((100..=128).contains(&spans.len()), "{}", spans.len());
    let whole = spans.iter().find(|span| span.name == "hostile").unwrap();
    let dropped = attribute(&whole.attributes, "keynet.calls.dropped").expect("a count");
    assert!(dropped.parse::<u64>().unwrap() > 100, "{dropped}");
}

#[test]
fn no_span_has_a_url_a_location_or_a_credential() {
    let collector = OtlpCollector::http();
    let mut sandbox = traced(&collector.url());
    sandbox.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2hunter2");
    sandbox.set("KEYNET_DIAGNOSTICS", sandbox.path("host.log").display());
    sandbox.set("RUST_LOG", "debug");
    let runtime = Runtime::of(&sandbox, &guest("capable"));
    runtime.run(&json!({ "do": "presigned" }));
    runtime.run(&json!({ "do": "get", "location": "a-secret-place" }));
    let spans =
        collector.wait_for(|spans| spans.iter().filter(|span| span.name == "capable").count() == 2);
    assert!(spans.headers.contains("hunter2hunter2"));
    let text = format!("{:?}", spans.spans);
    for secret in ["hunter2", "http", "X-Amz", "a-secret-place", "Signature"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let missing = spans.spans.iter().filter(|span| span.name == "storage.get");
    let kinds: Vec<_> =
        missing.filter_map(|span| attribute(&span.attributes, "error.type")).collect();
    assert!(kinds.contains(&"not-found".to_owned()), "{kinds:?}");
    let log = std::fs::read_to_string(sandbox.path("host.log")).unwrap();
    assert!(!log.contains("hunter2"), "{log}");
    // The host's own lines name the trace.
    let trace = hex::encode(&spans.spans[0].trace_id);
    assert!(log.contains(&trace), "{trace} is missing: {log}");
}

#[test]
fn the_lines_of_an_action_are_the_same_with_and_without_traces() {
    let collector = OtlpCollector::http();
    let window = |sandbox: &Sandbox| {
        let runtime = Runtime::of(sandbox, &guest("contract"));
        runtime.run(&json!({}));
        let window = runtime.window();
        (window.stdout, window.stderr)
    };
    assert_eq!(window(&traced(&collector.url())), window(&Sandbox::new()));
}

#[test]
fn a_collector_that_is_down_costs_spans_and_nothing_else() {
    let (gone, address) = (free_address(), free_address());
    let mut sandbox = traced(&format!("http://{gone}"));
    sandbox.set("OTEL_EXPORTER_OTLP_TIMEOUT", "300");
    sandbox.set("OTEL_BSP_MAX_QUEUE_SIZE", "20");
    sandbox.set("KEYNET_METRICS", &address);
    let mut runtime = Runtime::of(&sandbox, &guest("contract"));
    for _ in 0..20 {
        assert_eq!(runtime.run(&json!({ "n": 1 })).status, 200);
        runtime.window();
    }
    let dropped = || {
        let metrics = open_metrics::read(http(&address, "GET", "/metrics", &[], b"").text());
        open_metrics::value(&metrics, "keynet_spans_total", &[("outcome", "dropped")])
    };
    let started = Instant::now();
    while dropped() < 60.0 {
        assert!(started.elapsed() < Duration::from_secs(20), "{} are dropped", dropped());
        std::thread::sleep(Duration::from_millis(50));
    }
    runtime.signal("TERM");
    assert!(runtime.ends_within(Duration::from_secs(20)).success());
}

#[test]
fn a_protocol_that_is_not_supported_is_named_by_init() {
    let mut sandbox = traced("http://127.0.0.1:4318");
    sandbox.set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    let runtime = Runtime::start(&sandbox);
    let answer = runtime.init(&runtime::base64_of(&guest("contract")));
    assert_eq!(answer.status, 502);
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && error.contains("grpc"), "{error}");
}

#[test]
fn a_certificate_that_is_not_there_is_named_at_the_start() {
    let mut sandbox = traced("https://127.0.0.1:4317");
    sandbox.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    sandbox.set("OTEL_EXPORTER_OTLP_CERTIFICATE", "no/such/ca.crt");
    let port = free_address();
    let port = port.rsplit(':').next().unwrap();
    let ended = keynet_tests::end(sandbox.program(runtime::runtime_binary(), ["--port", port]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no/such/ca.crt"), "{ended:?}");
}
