//! Results of actions that attack their callers, the node, or the node's other users.

use std::convert::Infallible;

use fastrand::Rng;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::{Accept, Extension, Outcome, WebResponse, respond};

const EXTENSIONS: [Extension; 5] =
    [Extension::Http, Extension::Json, Extension::Html, Extension::Svg, Extension::Text];

/// Names that only the node sets.
const FORBIDDEN: [&str; 11] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-openwhisk-activation-id",
];

fn http(result: &str) -> Option<WebResponse> {
    respond(Outcome::Success, result, Extension::Http, &Accept::default()).ok()
}

/// Returns the bytes that hyper writes for a response.
async fn on_the_wire(method: &str, response: WebResponse) -> String {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let service = service_fn(move |_: Request<Incoming>| {
        let mut sent = Response::new(Full::new(response.body.clone()));
        *sent.status_mut() = response.status;
        for (name, value) in response.headers.clone() {
            sent.headers_mut().append(name, value);
        }
        async { Ok::<Response<Full<Bytes>>, Infallible>(sent) }
    });
    let served = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let request = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    served.await.unwrap();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn an_action_cannot_write_a_second_response_or_a_header_into_its_first() {
    let result = json!({
        "statusCode": 200,
        "headers": {
            "x-split": "a\r\nset-cookie: stolen=1",
            "x-lf": "a\nset-cookie: stolen=1",
            "x-nul": "a\0b",
            "x-name\r\nset-cookie": "stolen=1",
            "x name": "1",
            "x-name:": "1",
            "": "1",
            "Content-Length": "0",
            "Transfer-Encoding": ["chunked", "identity"],
            "Connection": "close, x-good",
            "Upgrade": "h2c",
            "X-OpenWhisk-Activation-Id": "forged",
            "Date": "never",
            "Server": "other",
            "x-good": "1",
        },
        "body": "HTTP/1.1 200 OK\r\n\r\n",
    });
    let response = http(&result.to_string()).unwrap();
    let wire = on_the_wire("GET", response.clone()).await;
    let (head, body) = wire.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "HTTP/1.1 200 OK\r\n\r\n");
    let mut names: Vec<_> =
        head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["connection", "content-length", "content-type", "date", "x-good"], "{head}");
    assert!(head.contains("content-length: 19\r\n"), "{head}");

    let wire = on_the_wire("HEAD", response).await;
    assert!(wire.contains("content-length: 19\r\n") && wire.ends_with("\r\n\r\n"), "{wire}");
}

#[test]
fn many_or_long_headers_are_refused() {
    let many: Map<_, _> = (0..257).map(|n| (format!("x-{n}"), json!(1))).collect();
    let values = json!({ "headers": { "x": vec![1; 100_000] } });
    let long = json!({ "headers": { "x": "a".repeat(65 << 10) } });
    let deep = format!("{{\"headers\":{{\"x\":{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    for result in
        [json!({ "headers": many }).to_string(), values.to_string(), long.to_string(), deep]
    {
        let response = respond(Outcome::Success, &result, Extension::Http, &Accept::default());
        assert_eq!(response.unwrap_err().to_string(), "Response is not valid 'message/http'.");
    }
}

#[test]
fn a_result_of_which_a_field_comes_twice_has_one_meaning() {
    let response =
        http(r#"{"statusCode":200,"body":"a","statusCode":404,"\u0062ody":"b"}"#).unwrap();
    assert_eq!((response.status.as_u16(), &response.body[..]), (404, &b"b"[..]));
}

/// A JSON text in the shape of a response, or not, of values that a parser could get wrong.
fn random(rng: &mut Rng, depth: u8) -> String {
    const ATOMS: [&str; 24] = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "200",
        "1e2",
        "1e400",
        "20.4e1",
        "4294967496",
        "\"\"",
        "\"200\"",
        "\"a\\r\\nb: c\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"YWJj\"",
        "\"/\"",
        "\"text/html\"",
        "\"image/png\"",
        "\"application/json\"",
        "\"a/b; c=\\\"\\\\\\\"\\n\\\"\"",
        "\"\u{e9}\u{7f}\u{1f600}\"",
        "\"text/plain; charset=x; a=\\\"\u{e9}\\\"\"",
        "\"x\\ty\"",
    ];
    const NAMES: [&str; 22] = [
        "statusCode",
        "headers",
        "body",
        "body",
        "headers",
        "error",
        "html",
        "text",
        "svg",
        "content-type",
        "Content-Type",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "set-cookie",
        "x-a",
        "",
        " ",
        "x\\r\\ny",
        "\\u0062ody",
        "\u{e9}",
        "\\udfff",
    ];
    if depth == 0 || rng.u8(..4) == 0 {
        return (*rng.choice(&ATOMS).unwrap()).to_owned();
    }
    let parts: Vec<_> = (0..rng.usize(..6)).map(|_| random(rng, depth - 1)).collect();
    if rng.u8(..4) == 0 {
        return format!("[{}]", parts.join(","));
    }
    let name = |part| format!("\"{}\" : {part}", NAMES[rng.usize(..NAMES.len())]);
    format!("{{{}}}", parts.into_iter().map(name).collect::<Vec<_>>().join(", "))
}

#[test]
fn random_results_have_a_valid_response_or_an_error() {
    let mut rng = Rng::with_seed(0x6f77);
    let accept = Accept::default();
    let mut converted = 0;
    for round in 0..20_000 {
        let mut result = random(&mut rng, 4);
        if round % 5 == 0 {
            let cut = rng.usize(..=result.len());
            result.truncate(result.floor_char_boundary(cut));
        }
        for extension in EXTENSIONS {
            let outcome = if rng.bool() { Outcome::Success } else { Outcome::ApplicationError };
            match respond(outcome, &result, extension, &accept) {
                Ok(response) => {
                    converted += 1;
                    check(&response, &result);
                }
                Err(error) => assert!(matches!(error.status().as_u16(), 400 | 404), "{result}"),
            }
        }
    }
    assert!(converted > 10_000, "{converted} of the results were converted");
}

fn check(response: &WebResponse, result: &str) {
    let status = response.status.as_u16();
    assert!((200..=599).contains(&status), "{result}");
    let types = response.headers.iter().filter(|(name, _)| name == "content-type").count();
    assert!(types == 1 || types == 0 && response.body.is_empty(), "{result}");
    assert!(!matches!(status, 204 | 205 | 304) || response.body.is_empty(), "{result}");
    for (name, value) in &response.headers {
        assert!(!FORBIDDEN.contains(&name.as_str()), "{name} of {result}");
        let valid = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
        assert!(value.as_bytes().iter().all(valid), "{value:?} of {result}");
    }
}

#[test]
fn a_deep_or_wide_result_takes_neither_the_stack_nor_much_memory() {
    let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
    let wide = format!("{{{}}}", vec!["\"a\":0"; 1 << 18].join(","));
    for inner in [deep, wide] {
        let body = format!("{{\"body\":{inner}}}");
        for (extension, result) in [
            (Extension::Http, &body),
            (Extension::Text, &body),
            (Extension::Json, &body),
            (Extension::Json, &inner),
        ] {
            let response = respond(Outcome::Success, result, extension, &Accept::default());
            let length = response.unwrap().body.len();
            assert!(length >= inner.len() && length < 8 * inner.len(), "{length} bytes");
        }
        for extension in [Extension::Html, Extension::Svg] {
            let response = respond(Outcome::Success, &body, extension, &Accept::default());
            assert_eq!(response.unwrap_err().status(), 400);
        }
    }
}
