//! Traces over OTLP: of the container and of the node, across the servers that an action calls.

use keynet_test_servers::RealServer;
use keynet_tests::node::{Node, Tenant};
use keynet_tests::otlp::{OtlpCollector, attribute, names};
use keynet_tests::proxy::Proxy;
use keynet_tests::runtime::{Runtime, activation};
use keynet_tests::{Sandbox, compiled_guest, golden, guest, http, outsiders};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Returns the caller's header, with its choice to record the trace.
fn parent(sampled: bool) -> String {
    format!("00-{TRACE}-{CALLER}-0{}", u8::from(sampled))
}

fn traced(collector: &OtlpCollector) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    sandbox.set("KEYNET_STORAGE_PUBLIC_URL", "http://127.0.0.1:9797/");
    sandbox
}

fn run(runtime: &Runtime, value: &Value, headers: &[(&str, &str)]) -> Value {
    let body = activation(value, Duration::from_secs(60)).to_string();
    let answer = http(runtime.address(), "POST", "/run", headers, body.as_bytes());
    runtime.window();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no {name}: {:?}", names(spans)))
}

fn id(span: &Span) -> String {
    hex::encode(&span.span_id)
}

/// Returns the ids of the spans that requests to the proxy belong to.
fn spans_seen(proxy: &Proxy, flags: &str) -> Vec<String> {
    let seen = proxy.seen();
    assert!(!seen.is_empty());
    let header = format!("\"traceparent\", \"00-{TRACE}-");
    let of = |headers: &str| -> String {
        let after = headers.split(&header).nth(1).unwrap_or_else(|| panic!("{headers}"));
        assert_eq!(&after[16..19], format!("-{flags}"));
        after[..16].to_owned()
    };
    seen.iter().map(|request| of(&request.headers)).collect()
}

#[test]
fn one_trace_joins_the_caller_the_action_triton_and_the_store() {
    let collector = OtlpCollector::http();
    // Triton has traces of its own, and sends them to the same collector.
    let arguments = format!(
        "--trace-config mode=opentelemetry --trace-config rate=1 --trace-config level=TIMESTAMPS \
            --trace-config opentelemetry,bsp_schedule_delay=100 \
            --trace-config opentelemetry,url={}/v1/traces",
        collector.url()
    );
    let models = golden::file("models");
    let triton = RealServer::triton(&[
        ("TRITON_MODELS", models.to_str().unwrap()),
        ("TRITON_ARGS", &arguments),
    ]);
    let s3 = RealServer::s3(&[]);
    outsiders::upload(&s3, &golden::file("picture.png"), "picture.png");
    let proxy = Proxy::before(s3.get("S3_ENDPOINT").trim_start_matches("http://"));
    let mut sandbox = traced(&collector);
    sandbox.set("TRITON_URL", format!("http://{}", triton.get("TRITON_GRPC")));
    sandbox.set("AWS_BUCKET_NAME", "test");
    sandbox.set("MLFLOW_S3_ENDPOINT_URL", format!("http://{}", proxy.address()));
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        sandbox.set(name, s3.get(name));
    }
    let runtime = Runtime::of_image(&mut sandbox, &compiled_guest("image-detection"));
    let parameters = golden::parameters("picture.png");

    run(&runtime, &parameters, &[("traceparent", &parent(true)), ("tracestate", "vendor=1")]);
    let of_triton =
        |span: &Span| span.name == "InferRequest" && hex::encode(&span.trace_id) == TRACE;
    let spans = collector.wait_for(|spans| {
        spans.iter().any(of_triton) && spans.iter().any(|span| span.name == "guest")
    });
    let spans = spans.spans;
    let trace: Vec<Span> =
        spans.into_iter().filter(|span| hex::encode(&span.trace_id) == TRACE).collect();
    let (whole, guest) = (named(&trace, "image-detection"), named(&trace, "guest"));
    assert_eq!(hex::encode(&whole.parent_span_id), CALLER);
    assert_eq!(whole.trace_state, "vendor=1");
    assert_eq!(guest.parent_span_id, whole.span_id);
    let predict = named(&trace, "triton-predict.predict");
    assert_eq!(predict.parent_span_id, guest.span_id);
    let (name, version) = ("keynet.model.name", "keynet.model.version");
    assert_eq!(attribute(&predict.attributes, name).as_deref(), Some("detector"));
    assert_eq!(attribute(&predict.attributes, version).as_deref(), Some("1"));
    assert_eq!(attribute(&predict.attributes, "keynet.model.engine").as_deref(), Some("triton"));
    let request = trace.iter().find(|span| of_triton(span)).expect("Triton's span in the trace");
    assert_eq!(request.parent_span_id, predict.span_id, "{:?}", names(&trace));
    let objects: Vec<String> = trace
        .iter()
        .filter(|span| span.name.starts_with("storage."))
        .inspect(|span| assert_eq!(span.parent_span_id, guest.span_id))
        .map(id)
        .collect();
    let seen = spans_seen(&proxy, "01");
    assert!(seen.iter().all(|span| objects.contains(span)), "{seen:?} {objects:?}");
    let requests = proxy.seen();
    assert!(requests.iter().all(|request| request.headers.contains("vendor=1")));

    // The caller's choice not to record is followed, and passed on.
    proxy.forget();
    run(&runtime, &parameters, &[("traceparent", &parent(false))]);
    spans_seen(&proxy, "00");
    run(&runtime, &json!({ "image_url": "nothing" }), &[]);
    let failed = collector.wait_for(|spans| {
        spans.iter().any(|span| span.name == "image-detection" && span.parent_span_id.is_empty())
    });
    let wholes = failed.spans.iter().filter(|span| span.name == "image-detection");
    assert_eq!(wholes.count(), 2, "the one that is not recorded has no spans");
}

#[test]
fn a_collector_of_grpc_gets_the_spans_with_the_operators_names_and_headers() {
    let collector = OtlpCollector::grpc();
    let mut sandbox = traced(&collector);
    sandbox.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    sandbox.set("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue%2Cgreen");
    sandbox.set("OTEL_SERVICE_NAME", "detector");
    sandbox.set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    let runtime = Runtime::of(&sandbox, &guest("capable"));
    run(&runtime, &json!({ "do": "predict" }), &[]);
    let collected =
        collector.wait_for(|spans| spans.iter().any(|span| span.name == "triton-predict.predict"));
    assert!(collected.headers.contains("blue,green"), "{}", collected.headers);
    let resource = |name| attribute(&collected.resource, name);
    assert_eq!(resource("service.name").as_deref(), Some("detector"));
    assert_eq!(resource("deployment.environment.name").as_deref(), Some("test"));
    let whole = named(&collected.spans, "capable");
    assert!(whole.parent_span_id.is_empty() && whole.kind == 2);
    let of_whole = |name| attribute(&whole.attributes, name);
    assert_eq!(of_whole("faas.invocation_id").as_deref(), Some("0123456789abcdef0123456789abcdef"));
    assert!(of_whole("keynet.component").is_some_and(|digest| digest.starts_with("sha256:")));
    let predict = named(&collected.spans, "triton-predict.predict");
    assert_eq!(attribute(&predict.attributes, "keynet.model.engine").as_deref(), Some("rten"));
    assert!(attribute(&predict.attributes, "keynet.bytes.sent").is_some());
}

#[test]
fn a_web_action_in_a_container_is_in_the_trace_of_its_caller() {
    let collector = OtlpCollector::http();
    let runtime = Runtime::of(&traced(&collector), &guest("capable"));
    let value = json!({ "do": "parameters", "__ow_headers": { "traceparent": parent(true) } });
    run(&runtime, &value, &[]);
    let spans = collector.trace_with("capable");
    assert_eq!(hex::encode(&named(&spans, "capable").trace_id), TRACE);
    assert_eq!(hex::encode(&named(&spans, "capable").parent_span_id), CALLER);
}

#[test]
fn mlflow_sees_the_trace_of_the_action_that_names_one_of_its_models() {
    let mlflow = RealServer::mlflow("none");
    mlflow.seed();
    let proxy = Proxy::before(mlflow.get("MLFLOW_TRACKING_URI").trim_start_matches("http://"));
    // MLflow refuses requests for other hosts.
    let collector = OtlpCollector::http();
    let mut sandbox = traced(&collector);
    sandbox.set("MLFLOW_TRACKING_URI", format!("http://{}", proxy.address()));
    let runtime = Runtime::of(&sandbox, &guest("capable"));
    let asked = json!({ "do": "ask", "model": "models:/detector@champion" });
    run(&runtime, &asked, &[("traceparent", &parent(true))]);
    let spans = collector.trace_with("triton-predict.predict");
    let calls: Vec<String> =
        spans.iter().filter(|span| span.name.starts_with("triton-predict.")).map(id).collect();
    let seen = spans_seen(&proxy, "01");
    assert!(seen.iter().all(|span| calls.contains(span)), "{seen:?} {calls:?}");
}

#[test]
fn a_node_takes_the_callers_trace_and_a_record_names_it() {
    let collector = OtlpCollector::http();
    let sandbox = traced(&collector);
    let mut node = Node::start(&sandbox, "", &[Tenant::new("team-a")]);
    let team = node.client("team-a");
    team.deployed("capable", &guest("capable"));
    let chain =
        json!({ "exec": { "kind": "sequence", "components": ["/_/capable", "/_/capable"] } });
    assert_eq!(team.call("PUT", "/_/actions/chain", &chain).status, 200);

    let headers = [("traceparent", parent(true))];
    let value = json!({ "do": "fail", "kind": "invalid", "message": "no" });
    let answer = team.call_with("POST", "/_/actions/capable?blocking=true", &value, &headers);
    let record = answer.json();
    let trace = record["annotations"].as_array().unwrap();
    let trace = trace.iter().find(|annotation| annotation["key"] == "keynet-trace").unwrap();
    assert_eq!(trace["value"], TRACE);
    team.invoke("chain", &json!({ "do": "sleep", "ms": 1 }));
    // What waits is sent before the node ends.
    node.server().signal("TERM");
    node.server().ends_within(Duration::from_secs(20));

    let collected = collector.wait_for(|spans| {
        spans.iter().filter(|span| span.name == "capable").count() >= 2
            && spans.iter().any(|span| span.name == "chain")
    });
    let failed = collected.spans.iter().find(|span| hex::encode(&span.trace_id) == TRACE).unwrap();
    assert_eq!(
        (failed.name.as_str(), hex::encode(&failed.parent_span_id)),
        ("capable", CALLER.into())
    );
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    assert_eq!(attribute(&failed.attributes, "error.type").as_deref(), Some("application_error"));
    assert_eq!(attribute(&failed.attributes, "keynet.namespace").as_deref(), Some("team-a"));
    assert_eq!(
        attribute(&failed.attributes, "faas.invocation_id").as_deref(),
        record["activationId"].as_str()
    );
    let chain = named(&collected.spans, "chain");
    let within = collected.spans.iter().filter(|span| span.parent_span_id == chain.span_id);
    assert!(within.inspect(|span| assert_eq!(span.name, "capable")).count() >= 1);
}

#[test]
fn without_an_endpoint_nothing_is_traced() {
    let sandbox = Sandbox::new();
    let node = Node::start(&sandbox, "", &[Tenant::new("team-a")]);
    let team = node.client("team-a");
    team.deployed("contract", &guest("contract"));
    let headers = [("traceparent", parent(true))];
    let answer = team.call_with("POST", "/_/actions/contract?blocking=true", &json!({}), &headers);
    assert!(!answer.text().contains("keynet-trace"), "{}", answer.text());
}
