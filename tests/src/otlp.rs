//! A collector of traces: it reads OTLP over gRPC and over HTTP strictly, as the specification has
//! it, and keeps the spans.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use crate::wire::{Body, Head};

/// Path of the gRPC call.
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Time limit for spans to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a collector received.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Spans, in the order of their arrival.
    pub spans: Vec<Span>,
    /// Attributes of the resource of the last request.
    pub resource: Vec<KeyValue>,
    /// Headers of the last request, as text.
    pub headers: String,
}

/// Running collector on a port of 127.0.0.1.
pub struct OtlpCollector {
    address: SocketAddr,
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

type Shared = Arc<(Mutex<Collected>, Condvar)>;

impl OtlpCollector {
    /// Starts a collector for `http/protobuf`.
    pub fn http() -> Self {
        let (listener, address, shared) = listen();
        let keep = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve_http(stream, &shared));
            }
        });
        Self { address, shared: keep }
    }

    /// Starts a collector for `grpc`.
    pub fn grpc() -> Self {
        let (listener, address, shared) = listen();
        let keep = Arc::clone(&shared);
        listener.set_nonblocking(true).expect("a listener");
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve_grpc(stream, Arc::clone(&shared)));
                }
            });
        });
        Self { address, shared: keep }
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the spans that have arrived satisfy `enough`, and returns all of them.
    pub fn wait_for(&self, enough: impl Fn(&[Span]) -> bool) -> Collected {
        let collected = self.shared.0.lock().expect("the spans");
        let waiting = |collected: &mut Collected| !enough(&collected.spans);
        let (collected, late) =
            self.shared.1.wait_timeout_while(collected, PATIENCE, waiting).expect("the spans");
        assert!(!late.timed_out(), "they did not come: {:#?}", names(&collected.spans));
        collected.clone()
    }

    /// Waits for a span with this name, and returns all spans of its trace that are there then.
    pub fn trace_with(&self, name: &str) -> Vec<Span> {
        let named = |span: &Span| span.name == name;
        let spans = self.wait_for(|spans| spans.iter().any(named)).spans;
        let trace = spans.iter().find(|span| named(span)).expect("a span").trace_id.clone();
        spans.into_iter().filter(|span| span.trace_id == trace).collect()
    }
}

fn listen() -> (TcpListener, SocketAddr, Shared) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    (listener, address, Shared::default())
}

/// Returns the names of spans.
pub fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// Returns an attribute of a span as text.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

/// Checks a request as a strict collector does, and keeps its spans.
fn keep(message: &[u8], headers: String, shared: &Shared) {
    let request = ExportTraceServiceRequest::decode(message).expect("a request of OTLP");
    assert!(!request.resource_spans.is_empty(), "an empty request");
    let mut collected = shared.0.lock().expect("the spans");
    for of_resource in request.resource_spans {
        collected.resource = of_resource.resource.expect("a resource").attributes;
        for of_scope in of_resource.scope_spans {
            assert!(!of_scope.scope.expect("a scope").name.is_empty());
            of_scope.spans.iter().for_each(check);
            collected.spans.extend(of_scope.spans);
        }
    }
    collected.headers = headers;
    shared.1.notify_all();
}

/// Keeps the names and ids of spans in JSON, which Triton sends.
fn keep_json(message: &[u8], shared: &Shared) {
    let request: serde_json::Value = serde_json::from_slice(message).expect("JSON");
    let each = |value: &serde_json::Value, name: &str| -> Vec<serde_json::Value> {
        value[name].as_array().cloned().unwrap_or_default()
    };
    let id = |span: &serde_json::Value, name: &str| {
        hex::decode(span[name].as_str().unwrap_or_default()).expect("an id")
    };
    let mut collected = shared.0.lock().expect("the spans");
    for of_resource in each(&request, "resourceSpans") {
        for of_scope in each(&of_resource, "scopeSpans") {
            for span in each(&of_scope, "spans") {
                collected.spans.push(Span {
                    name: span["name"].as_str().expect("a name").to_owned(),
                    trace_id: id(&span, "traceId"),
                    span_id: id(&span, "spanId"),
                    parent_span_id: id(&span, "parentSpanId"),
                    ..Span::default()
                });
            }
        }
    }
    shared.1.notify_all();
}

fn check(span: &Span) {
    let is_id = |id: &[u8], length| id.len() == length && id.iter().any(|byte| *byte != 0);
    assert!(is_id(&span.trace_id, 16) && is_id(&span.span_id, 8), "{span:?}");
    assert!(span.parent_span_id.is_empty() || is_id(&span.parent_span_id, 8), "{span:?}");
    assert!(!span.name.is_empty() && (1..=5).contains(&span.kind), "{span:?}");
    assert!(span.start_time_unix_nano > 1_700_000_000_000_000_000, "{span:?}");
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    let mut keys: Vec<&str> = span.attributes.iter().map(|own| own.key.as_str()).collect();
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "an attribute twice: {keys:?}");
    assert!(span.attributes.iter().all(|own| !own.key.is_empty() && own.value.is_some()));
}

fn serve_http(stream: TcpStream, shared: &Shared) {
    let Ok(mut back) = stream.try_clone() else { return };
    let mut stream = BufReader::new(stream);
    while let Ok(Some(head)) = Head::read(&mut stream) {
        assert_eq!(head.word(0), "POST");
        assert_eq!(head.word(1), "/v1/traces");
        let mut body = Vec::new();
        Body::new(&mut stream, head.request_framing()).read_to_end(&mut body).expect("a body");
        match head.get("content-type") {
            Some("application/json") => keep_json(&body, shared),
            kind => {
                assert_eq!(kind, Some("application/x-protobuf"));
                keep(&body, format!("{:?}", head.headers), shared);
            }
        }
        let answer = ExportTraceServiceResponse::default().encode_to_vec();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        if back.write_all(head.as_bytes()).and_then(|()| back.write_all(&answer)).is_err() {
            return;
        }
    }
}

async fn serve_grpc(stream: tokio::net::TcpStream, shared: Shared) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            assert_eq!(request.uri().path(), EXPORT);
            assert_eq!(request.headers()["content-type"], "application/grpc");
            assert_eq!(request.headers()["te"], "trailers");
            let headers = format!("{:?}", request.headers());
            let mut body = request.into_body();
            let mut message = Vec::new();
            while let Some(Ok(data)) = body.data().await {
                let _ = body.flow_control().release_capacity(data.len());
                message.extend_from_slice(&data);
            }
            let (prefix, message) = message.split_at(5);
            assert_eq!(prefix[0], 0, "it is compressed");
            assert_eq!(
                u32::from_be_bytes(prefix[1..].try_into().expect("a length")) as usize,
                message.len()
            );
            keep(message, headers, &shared);
            let head = Response::builder().header("content-type", "application/grpc");
            let Ok(mut out) = respond.send_response(head.body(()).expect("a head"), false) else {
                return;
            };
            let answer = ExportTraceServiceResponse::default().encode_to_vec();
            let mut framed = BytesMut::new();
            framed.put_u8(0);
            framed.put_u32(u32::try_from(answer.len()).expect("a message of gRPC"));
            framed.extend_from_slice(&answer);
            let _ = out.send_data(Bytes::from(framed), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = out.send_trailers(trailers);
        });
    }
}
