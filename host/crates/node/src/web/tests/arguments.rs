//! What an action receives of a request.

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::super::{WebError, WebRequest, arguments};
use super::{annotated, key_values};

/// A request in the making.
struct Asked {
    annotations: Value,
    parameters: Value,
    headers: Vec<(&'static str, &'static str)>,
    query: &'static str,
    body: Vec<u8>,
}

impl Asked {
    fn new(content_type: Option<&'static str>, body: &[u8]) -> Self {
        Self {
            annotations: json!({}),
            parameters: json!({}),
            headers: content_type.map(|kind| ("content-type", kind)).into_iter().collect(),
            query: "",
            body: body.to_vec(),
        }
    }

    fn query(query: &'static str) -> Self {
        Self { query, ..Self::new(None, b"") }
    }

    fn raw(self) -> Self {
        Self { annotations: json!({ "raw-http": true, "final": true }), ..self }
    }

    fn with(self, annotations: Value, parameters: Value) -> Self {
        Self { annotations, parameters, ..self }
    }

    fn text(&self) -> Result<String, WebError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let request = WebRequest {
            method: &Method::POST,
            headers: &headers,
            path: "/rest/%2f",
            query: self.query,
            body: &self.body,
            user: None,
        };
        arguments(&request, &annotated(&self.annotations), &key_values(&self.parameters))
    }

    /// Returns the arguments without the method, the path and the headers.
    fn own(&self) -> Value {
        let mut all: Value = serde_json::from_str(&self.text().unwrap()).unwrap();
        let fields = all.as_object_mut().unwrap();
        assert_eq!(fields.remove("__ow_method").unwrap(), "post");
        assert_eq!(fields.remove("__ow_path").unwrap(), "/rest/%2f");
        assert!(fields.remove("__ow_headers").unwrap().is_object());
        all
    }
}

const JSON: Option<&str> = Some("application/json; charset=utf-8");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

#[test]
fn query_form_and_json_are_arguments_and_other_bodies_are_ow_body() {
    let form = b"a=1&b=x+y%26z&a=2";
    for (asked, expected) in [
        (Asked::query(""), json!({})),
        (Asked::query("a=b&c=d+e&a=f&flag"), json!({ "a": "f", "c": "d e", "flag": "" })),
        (Asked::new(JSON, br#"{"a":[1],"b":true}"#), json!({ "a": [1], "b": true })),
        (
            Asked { query: "a=q&c=q", ..Asked::new(JSON, br#"{"a":1}"#) },
            json!({ "a": 1, "c": "q" }),
        ),
        (Asked::new(JSON, br#"{"a":1,"a":2}"#), json!({ "a": 2 })),
        (Asked::new(JSON, b""), json!({})),
        (Asked::new(JSON, b" [] "), json!({ "__ow_body": [] })),
        (Asked::new(JSON, b"null"), json!({ "__ow_body": null })),
        (Asked::new(JSON, b"\"x\""), json!({ "__ow_body": "x" })),
        (Asked::new(Some("application/hal+json"), br#"{"a":1}"#), json!({ "a": 1 })),
        (Asked::new(FORM, form), json!({ "a": "2", "b": "x y&z" })),
        (Asked::new(FORM, b""), json!({})),
        (Asked::new(Some("text/plain"), "é".as_bytes()), json!({ "__ow_body": "é" })),
        (Asked::new(Some("text/plain"), b"\xff"), json!({ "__ow_body": "\u{fffd}" })),
        (Asked::new(Some("text/plain"), b""), json!({ "__ow_body": "" })),
        (Asked::new(Some("image/png"), b"\x89P"), json!({ "__ow_body": "iVA=" })),
        (
            Asked::new(Some("multipart/form-data; boundary=x"), b"--x"),
            json!({ "__ow_body": "LS14" }),
        ),
        (Asked::new(None, b"abc"), json!({ "__ow_body": "YWJj" })),
        (Asked::new(Some("nonsense"), b"abc"), json!({ "__ow_body": "YWJj" })),
    ] {
        assert_eq!(asked.own(), expected, "{:?} {:?}", asked.headers, asked.body);
    }
}

#[test]
fn a_raw_action_receives_the_query_and_the_body_as_they_are() {
    let body = |kind, bytes: &[u8]| Asked { query: "x=1&y=%20+", ..Asked::new(kind, bytes) }.raw();
    for (asked, expected) in [
        (body(None, b""), ""),
        (body(JSON, b""), ""),
        (body(JSON, br#"{"__ow_path":1}"#), "eyJfX293X3BhdGgiOjF9"),
        (body(JSON, b"not json"), "bm90IGpzb24="),
        (body(FORM, b"__ow_query=1&%"), "__ow_query=1&%"),
        (body(Some("text/html"), b"<p>"), "<p>"),
        (body(Some("application/vnd.api+json"), b"{}"), "{}"),
        (body(Some("application/hal+json"), b"{}"), "e30="),
        (body(Some("application/hal+json; charset=utf-8"), b"{}"), "{}"),
        (body(Some("image/png"), b"\0\0\0"), "AAAA"),
    ] {
        let expected = json!({ "__ow_query": "x=1&y=%20+", "__ow_body": expected });
        assert_eq!(asked.own(), expected, "{:?}", asked.headers);
        let protected = asked.with(json!({ "raw-http": true, "final": true }), json!({ "x": 1 }));
        assert_eq!(
            protected.own(),
            expected,
            "parameters cannot be replaced by a query in one text"
        );
    }
}

#[test]
fn numbers_of_a_body_keep_their_digits() {
    let body = r#"{"id":123456789012345678901234567890,"x":1e400,"y":1.10}"#;
    let text = Asked::new(JSON, body.as_bytes()).text().unwrap();
    for digits in ["\"id\":123456789012345678901234567890", "\"x\":1e400", "\"y\":1.10"] {
        assert!(text.contains(digits), "{text}");
    }
}

#[test]
fn reserved_names_and_final_parameters_cannot_be_set_by_a_request() {
    let parameters = json!({ "key": "secret", "zero": 0, "off": false, "empty": null });
    let is_final = |asked: Asked| asked.with(json!({ "final": true }), parameters.clone());
    let open = |asked: Asked| asked.with(json!({}), parameters.clone());
    for asked in [
        Asked::query("__ow_method=x"),
        Asked::query("a=b&__ow_headers"),
        Asked::query("%5F_ow_path=x"),
        Asked::query("__ow_user=admin"),
        Asked::query("__ow_query=x"),
        Asked::query("__ow_body=x"),
        Asked::new(JSON, br#"{"__ow_user":"admin"}"#),
        Asked::new(JSON, br#"{"\u005f_ow_body":"x"}"#),
        Asked::new(FORM, b"__ow%5Fuser=admin"),
        is_final(Asked::query("key=mine")),
        is_final(Asked::query("%6Bey=mine")),
        is_final(Asked::query("zero=1")),
        is_final(Asked::query("off=1")),
        is_final(Asked::new(JSON, br#"{"key":null}"#)),
        is_final(Asked::new(JSON, br#"{"\u006bey":1}"#)),
        is_final(Asked::new(FORM, b"key=mine")),
    ] {
        let error = asked.text().unwrap_err();
        assert_eq!(error.status(), 400);
        assert_eq!(
            error.to_string(),
            "Request defines parameters that are not allowed (e.g., reserved properties)."
        );
    }
    for (asked, expected) in [
        (is_final(Asked::query("empty=1")), json!({ "empty": "1" })),
        (is_final(Asked::query("KEY=1")), json!({ "KEY": "1" })),
        (is_final(Asked::query("__ow_other=1")), json!({ "__ow_other": "1" })),
        (open(Asked::query("key=mine")), json!({ "key": "mine" })),
    ] {
        assert_eq!(asked.own(), expected, "{:?}", asked.query);
    }
}

#[test]
fn a_body_that_is_not_of_its_type_is_the_callers_error() {
    let malformed = "The request content was malformed:\n";
    for (asked, text) in [
        (Asked::new(JSON, b"{"), malformed),
        (Asked::new(JSON, b"{} {}"), malformed),
        (Asked::new(JSON, b"{'a':1}"), malformed),
        (Asked::new(JSON, b"{\"a\":\"\xff\"}"), malformed),
        (Asked::new(JSON, br#"{"\ud800":1}"#), malformed),
        (Asked::new(FORM, b"a=%zz"), malformed),
        (Asked::query("a=%"), "Illegal request-URI"),
        (Asked::query("a=%").raw(), "Illegal request-URI"),
    ] {
        let error = asked.text().unwrap_err();
        assert_eq!(error.status(), 400);
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

#[test]
fn headers_arrive_in_lower_case_without_those_of_the_connection() {
    let mut asked = Asked::new(None, b"abc");
    asked.headers = vec![
        ("authorization", "Bearer t"),
        ("cookie", "a=b"),
        ("host", "node"),
        ("x-twice", "1"),
        ("x-twice", "2"),
        ("x-require-whisk-auth", "s"),
        ("connection", "keep-alive, x-twice"),
        ("keep-alive", "5"),
        ("proxy-connection", "close"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("content-length", "3"),
    ];
    let all: Value = serde_json::from_str(&asked.text().unwrap()).unwrap();
    assert_eq!(
        all["__ow_headers"],
        json!({
            "authorization": "Bearer t",
            "cookie": "a=b",
            "host": "node",
            "x-twice": "2",
            "x-require-whisk-auth": "s",
            "content-type": "application/octet-stream",
        })
    );
}

#[test]
fn only_an_authenticated_request_has_a_user() {
    let (headers, plain) = (HeaderMap::new(), annotated(&json!({})));
    for user in [None, Some("guest")] {
        let request = WebRequest {
            method: &Method::GET,
            headers: &headers,
            path: "",
            query: "",
            body: b"",
            user,
        };
        let all: Value = serde_json::from_str(&arguments(&request, &plain, &[]).unwrap()).unwrap();
        let mut expected = json!({ "__ow_method": "get", "__ow_headers": {}, "__ow_path": "" });
        if let Some(user) = user {
            expected["__ow_user"] = json!(user);
        }
        assert_eq!(all, expected);
    }
}
