//! What a caller receives of a result.

use hyper::header::{ACCEPT, HeaderMap};
use serde_json::{Value, json};

use super::super::{Accept, Extension, Outcome, WebError, respond};

/// Returns the status, the headers as `name: value` lines in order, and the body.
fn seen(result: &Value, extension: Extension) -> (u16, Vec<String>, String) {
    seen_by("", result, extension)
        .unwrap_or_else(|error| (error.status().into(), Vec::new(), error.to_string()))
}

fn seen_by(
    accept: &str,
    result: &Value,
    extension: Extension,
) -> Result<(u16, Vec<String>, String), WebError> {
    let mut headers = HeaderMap::new();
    if !accept.is_empty() {
        headers.insert(ACCEPT, accept.parse().unwrap());
    }
    let accept = Accept::read(&headers);
    let response = respond(Outcome::Success, &result.to_string(), extension, &accept)?;
    let line = |name: &str, value: &[u8]| format!("{name}: {}", String::from_utf8_lossy(value));
    let headers =
        response.headers.iter().map(|(name, value)| line(name.as_str(), value.as_bytes()));
    let body = String::from_utf8_lossy(&response.body).into_owned();
    Ok((response.status.as_u16(), headers.collect(), body))
}

fn response(status: u16, headers: &[&str], body: &str) -> (u16, Vec<String>, String) {
    (status, headers.iter().map(|&header| header.to_owned()).collect(), body.to_owned())
}

const HTML: &str = "content-type: text/html; charset=UTF-8";
const TEXT: &str = "content-type: text/plain; charset=UTF-8";
const JSON: &str = "content-type: application/json";
const SVG: &str = "content-type: image/svg+xml";

fn invalid(kind: &str) -> (u16, Vec<String>, String) {
    response(400, &[], &format!("Response is not valid '{kind}'."))
}

#[test]
fn each_extension_shows_its_part_of_a_result() {
    let missing = response(404, &[], "Response does not include requested property.");
    let page = json!({ "html": "<p>", "svg": "<svg/>", "text": "t\n" });
    let body = json!({ "html": "<p>", "svg": "<svg/>", "text": "t", "body": "b" });
    for (extension, result, expected) in [
        (Extension::Json, json!({ "a": "b" }), response(200, &[JSON], "{\n  \"a\": \"b\"\n}")),
        (Extension::Json, json!([1, "a"]), response(200, &[JSON], "[1, \"a\"]")),
        (Extension::Json, json!("a"), invalid("application/json")),
        (Extension::Json, Value::Null, invalid("application/json")),
        (Extension::Html, page.clone(), response(200, &[HTML], "<p>")),
        (Extension::Html, body.clone(), response(200, &[HTML], "b")),
        (Extension::Html, json!("<p>"), response(200, &[HTML], "<p>")),
        (Extension::Html, json!({ "text": "t" }), invalid("text/html")),
        (Extension::Html, json!({ "html": 1 }), invalid("text/html")),
        (Extension::Html, json!({ "html": "<p>", "body": null }), invalid("text/html")),
        (Extension::Html, json!(["<p>"]), invalid("text/html")),
        (Extension::Svg, page.clone(), response(200, &[SVG], "<svg/>")),
        (Extension::Svg, body.clone(), response(200, &[SVG], "b")),
        (Extension::Svg, json!({}), invalid("image/svg+xml")),
        (Extension::Text, page, response(200, &[TEXT], "t\n")),
        (Extension::Text, body, response(200, &[TEXT], "b")),
        (Extension::Text, json!({ "body": 1.5 }), response(200, &[TEXT], "1.5")),
        (Extension::Text, json!({ "body": true }), response(200, &[TEXT], "true")),
        (Extension::Text, json!({ "body": null }), response(200, &[TEXT], "null")),
        (
            Extension::Text,
            json!({ "body": { "a": [] } }),
            response(200, &[TEXT], "{\n  \"a\": []\n}"),
        ),
        (Extension::Text, json!([1, 2]), response(200, &[TEXT], "[1, 2]")),
        (Extension::Text, json!({ "greeting": "hi" }), missing),
    ] {
        assert_eq!(seen(&result, extension), expected, "{extension:?} {result}");
    }
}

#[test]
fn an_action_describes_its_http_response() {
    let typed =
        |kind: &str, body: Value| json!({ "headers": { "Content-Type": kind }, "body": body });
    for (result, expected) in [
        (json!({}), response(204, &[], "")),
        (json!({ "body": "" }), response(204, &[], "")),
        (json!({ "body": null }), response(204, &[], "")),
        (json!({ "statusCode": 200 }), response(200, &[], "")),
        (json!({ "statusCode": "201", "body": "x" }), response(201, &[HTML], "x")),
        (json!({ "statusCode": 202.0 }), response(202, &[], "")),
        (json!({ "statusCode": 444, "body": "x" }), response(444, &[HTML], "x")),
        (json!({ "statusCode": 599 }), response(599, &[], "")),
        (
            json!({ "statusCode": 302, "headers": { "location": "http://a/" } }),
            response(302, &["location: http://a/"], ""),
        ),
        (
            json!({ "headers": { "Set-Cookie": ["a=b", "c=d; Path=/"], "x-n": 1.5, "x-b": true } }),
            response(
                204,
                &["set-cookie: a=b", "set-cookie: c=d; Path=/", "x-b: true", "x-n: 1.5"],
                "",
            ),
        ),
        (json!({ "headers": { "a": [[["x"], 2], []] } }), response(204, &["a: x", "a: 2"], "")),
        (json!({ "headers": { "content-type": "nonsense" } }), response(204, &[], "")),
        (json!({ "body": "héllo" }), response(200, &[HTML], "héllo")),
        (json!({ "body": { "a": 1 } }), response(200, &[JSON], "{\n  \"a\": 1\n}")),
        (json!({ "body": 3 }), response(200, &[JSON], "3")),
        (json!({ "body": false }), response(200, &[JSON], "false")),
        (typed("application/json", json!("{\"a\":1}")), response(200, &[JSON], "{\"a\":1}")),
        (typed("application/json", json!("hello world")), response(200, &[JSON], "hello world")),
        (typed("application/json", json!("eyJhIjoxfQ==")), response(200, &[JSON], "{\"a\":1}")),
        (
            typed("application/hal+json", json!([1])),
            response(200, &["content-type: application/hal+json"], "[1]"),
        ),
        (typed("text/plain", json!("YWJj")), response(200, &[TEXT], "YWJj")),
        (typed("text/plain; charset=latin1", json!("é")), response(200, &[TEXT], "é")),
        (typed("image/png", json!("YWJj")), response(200, &["content-type: image/png"], "abc")),
        (typed("image/png", json!("YWI")), response(200, &["content-type: image/png"], "ab")),
        (
            typed("application/x-tar; a=b", json!("YQ==")),
            response(200, &["content-type: application/x-tar; a=b"], "a"),
        ),
        (json!({ "statusCode": 204, "body": "x" }), response(204, &[], "")),
        (json!({ "statusCode": 205, "body": "x" }), response(205, &[], "")),
        (
            json!({ "statusCode": 304, "headers": { "etag": "\"1\"" }, "body": "x" }),
            response(304, &["etag: \"1\""], ""),
        ),
    ] {
        assert_eq!(seen(&result, Extension::Http), expected, "{result}");
    }
}

#[test]
fn what_describes_no_http_response_is_refused() {
    let mismatch = "Response type in header did not match generated content type.";
    let unknown = "Response did not specify a known content-type.";
    let http = "Response is not valid 'message/http'.";
    let typed =
        |kind: Value, body: Value| json!({ "headers": { "content-type": kind }, "body": body });
    for (result, text) in [
        (json!([200, {}, "x"]), http),
        (json!("x"), http),
        (Value::Null, http),
        (json!({ "statusCode": null }), http),
        (json!({ "statusCode": true }), http),
        (json!({ "statusCode": 200.5 }), http),
        (json!({ "statusCode": -200 }), http),
        (json!({ "statusCode": 0 }), http),
        (json!({ "statusCode": 100 }), http),
        (json!({ "statusCode": 101 }), http),
        (json!({ "statusCode": 600 }), http),
        (json!({ "statusCode": 65736 }), http),
        (json!({ "statusCode": "" }), http),
        (json!({ "statusCode": " 200" }), http),
        (json!({ "statusCode": "200 OK" }), http),
        (json!({ "statusCode": "99999999999" }), http),
        (json!({ "statusCode": [200] }), http),
        (json!({ "headers": null }), http),
        (json!({ "headers": [] }), http),
        (json!({ "headers": "a: b" }), http),
        (json!({ "headers": { "a": null } }), http),
        (json!({ "headers": { "a": {} } }), http),
        (json!({ "headers": { "a": ["x", null] } }), http),
        (typed(json!("xyzbar"), json!("x")), unknown),
        (typed(json!("text/html\r\nx: y"), json!("x")), unknown),
        (typed(json!(5), json!("x")), unknown),
        (typed(json!("image/png"), json!("no base64")), mismatch),
        (typed(json!("image/png"), json!("YWJjZ")), mismatch),
        (typed(json!("image/png"), json!("YWJj\n")), mismatch),
        (typed(json!("text/javascript"), json!("alert(1)")), mismatch),
        (typed(json!("application/json"), json!(" YWJj")), mismatch),
        (typed(json!("text/html"), json!({ "a": 1 })), mismatch),
        (typed(json!("xyzbar"), json!({ "a": 1 })), mismatch),
    ] {
        assert_eq!(seen(&result, Extension::Http), response(400, &[], text), "{result}");
    }
}

#[test]
fn errors_of_actions_are_shown_and_failures_are_not() {
    let no_accept = Accept::default();
    let shown = |outcome, result: Value, extension| {
        let response = respond(outcome, &result.to_string(), extension, &no_accept);
        response
            .map(|response| {
                (response.status.as_u16(), String::from_utf8(response.body.into()).unwrap())
            })
            .unwrap_or_else(|error| (error.status().as_u16(), error.to_string()))
    };
    let failed = Outcome::ApplicationError;
    let described = json!({ "error": { "statusCode": 418, "headers": { "x": 1 }, "body": "tea" } });
    for (outcome, result, extension, status, text) in [
        (failed, described, Extension::Http, 418, "tea"),
        (failed, json!({ "error": {} }), Extension::Http, 204, ""),
        (
            failed,
            json!({ "error": "no" }),
            Extension::Http,
            400,
            "Response is not valid 'message/http'.",
        ),
        (failed, json!({ "error": "no" }), Extension::Text, 200, "no"),
        (failed, json!({ "error": "no" }), Extension::Html, 200, "no"),
        (
            failed,
            json!({ "error": "no" }),
            Extension::Json,
            400,
            "Response is not valid 'application/json'.",
        ),
        (failed, json!({ "error": ["no"] }), Extension::Json, 200, "[\"no\"]"),
        (
            failed,
            json!({ "fault": 1 }),
            Extension::Json,
            404,
            "Response does not include requested property.",
        ),
        (
            failed,
            json!(["error"]),
            Extension::Json,
            404,
            "Response does not include requested property.",
        ),
        (
            Outcome::Failure,
            json!({ "error": "at line 3 of secret.py" }),
            Extension::Text,
            400,
            "There was an error processing your request.",
        ),
        (Outcome::Success, json!({ "body": "b", "error": "e" }), Extension::Text, 200, "b"),
    ] {
        let expected = (status, text.to_owned());
        assert_eq!(shown(outcome, result.clone(), extension), expected, "{result} {extension:?}");
    }
}

#[test]
fn a_caller_that_accepts_only_json_gets_no_page() {
    let json = "application/json";
    let page = json!({ "body": "Plain text" });
    let error = seen_by(json, &page, Extension::Http).unwrap_err();
    assert_eq!(error.status(), 406);
    assert_eq!(
        error.to_string(),
        "Resource representation is only available with these types:\ntext/html; charset=UTF-8"
    );
    for (accept, result, extension, status) in [
        (json, json!({ "body": { "a": 1 } }), Extension::Http, 200),
        (json, json!({}), Extension::Http, 204),
        (json, json!({ "statusCode": 500, "body": "broken" }), Extension::Http, 500),
        (json, json!({ "statusCode": 404, "body": "no" }), Extension::Http, 404),
        (json, page.clone(), Extension::Json, 200),
        ("text/html, */*;q=0.1", page.clone(), Extension::Json, 200),
    ] {
        let seen = seen_by(accept, &result, extension).unwrap();
        assert_eq!(seen.0, status, "{result}");
    }
    for (accept, extension) in
        [(json, Extension::Text), ("text/html", Extension::Json), ("image/png", Extension::Svg)]
    {
        let result = json!({ "body": "x" });
        assert_eq!(seen_by(accept, &result, extension).unwrap_err().status(), 406);
    }
}
