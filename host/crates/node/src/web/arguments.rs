//! Arguments of an activation, from a request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use keynet_openwhisk_api::KeyValue;
use serde::Serialize;
use serde_json::value::RawValue;

use super::annotations::WebAnnotations;
use super::connection_headers::is_of_connection;
use super::error::WebError;
use super::json::{self, JsonType, type_of};
use super::media_type::MediaType;
use super::query::{check_escapes, pairs};

const METHOD: &str = "__ow_method";
const HEADERS: &str = "__ow_headers";
const PATH: &str = "__ow_path";
const USER: &str = "__ow_user";
const QUERY: &str = "__ow_query";
const BODY: &str = "__ow_body";
/// Names that a request cannot set.
const RESERVED: [&str; 6] = [METHOD, HEADERS, PATH, USER, QUERY, BODY];

/// Request, as far as its action learns of it.
#[derive(Debug, Clone, Copy)]
pub struct WebRequest<'a> {
    /// Method.
    pub method: &'a Method,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Rest of the path: [`WebTarget::path`](super::WebTarget::path).
    pub path: &'a str,
    /// Query without `?`; empty if there is none.
    pub query: &'a str,
    /// Whole body.
    pub body: &'a [u8],
    /// Namespace of the caller's key; `None` for a request without one.
    pub user: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Argument<'a> {
    Text(Cow<'a, str>),
    Json(&'a RawValue),
    Headers(BTreeMap<&'a str, Cow<'a, str>>),
}

type Arguments<'a> = BTreeMap<Cow<'a, str>, Argument<'a>>;

enum Body<'a> {
    Absent,
    /// Fields of a JSON object or of a form.
    Fields(Arguments<'a>),
    /// Any other body, as [`BODY`].
    Whole(Argument<'a>),
}

/// Returns the arguments of a request as the text of a JSON object. They take precedence over
/// `parameters`: those of the action, its package and its binding.
///
/// All headers of the request are passed, credentials included, apart from those that describe its
/// connection; of a header that occurs several times, the last.
///
/// # Errors
/// [`WebError::ParametersNotAllowed`] if the request sets a reserved name or a parameter that
/// `final` protects, which is one with a value other than null; [`WebError::MalformedContent`] and
/// [`WebError::MalformedTarget`] if its body or its query cannot be parsed.
pub fn arguments(
    request: &WebRequest<'_>,
    annotations: &WebAnnotations,
    parameters: &[KeyValue],
) -> Result<String, WebError> {
    let raw = annotations.raw_http;
    check_escapes(request.query).map_err(|_| WebError::MalformedTarget("query"))?;
    let body = read_body(request, raw)?;
    let mut all = Arguments::new();
    if raw {
        all.insert(QUERY.into(), Argument::Text(request.query.into()));
        all.insert(BODY.into(), Argument::Text("".into()));
    } else {
        let query = pairs(request.query).map_err(|_| WebError::MalformedTarget("query"))?;
        all.extend(query.map(|(name, value)| (name.into(), Argument::Text(value.into()))));
    }
    let whole = match body {
        Body::Absent => None,
        Body::Fields(fields) => {
            all.extend(fields);
            None
        }
        Body::Whole(whole) => Some(whole),
    };
    if !raw && !is_allowed(&all, annotations, parameters) {
        return Err(WebError::ParametersNotAllowed);
    }
    all.extend(whole.map(|whole| (BODY.into(), whole)));
    all.insert(METHOD.into(), Argument::Text(request.method.as_str().to_lowercase().into()));
    all.insert(HEADERS.into(), Argument::Headers(headers(request)));
    all.insert(PATH.into(), Argument::Text(request.path.into()));
    all.extend(request.user.map(|user| (USER.into(), Argument::Text(user.into()))));
    serde_json::to_string(&all).map_err(|error| WebError::MalformedContent(error.to_string()))
}

/// Checks that no argument has a reserved name or is one of the protected `parameters`.
fn is_allowed(
    arguments: &Arguments<'_>,
    annotations: &WebAnnotations,
    parameters: &[KeyValue],
) -> bool {
    let protected = parameters.iter().filter(|_| annotations.final_parameters);
    let protected: BTreeMap<&str, &str> =
        protected.map(|parameter| (parameter.key.as_str(), parameter.value.get())).collect();
    arguments.keys().all(|name| {
        let value = protected.get(name.as_ref());
        !RESERVED.contains(&name.as_ref()) && value.is_none_or(|value| *value == "null")
    })
}

fn headers<'a>(request: &WebRequest<'a>) -> BTreeMap<&'a str, Cow<'a, str>> {
    let mut headers = BTreeMap::new();
    if !request.body.is_empty() {
        headers.insert(CONTENT_TYPE.as_str(), MediaType::OCTETS.into());
    }
    let passed = request.headers.iter().filter(|(name, _)| !is_of_connection(name));
    headers.extend(
        passed.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))),
    );
    headers
}

fn read_body<'a>(request: &WebRequest<'a>, raw: bool) -> Result<Body<'a>, WebError> {
    let declared = request.headers.get(CONTENT_TYPE);
    if request.body.is_empty() && declared.is_none() {
        return Ok(Body::Absent);
    }
    let media_type = declared
        .and_then(|value| MediaType::parse(value.to_str().ok()?))
        .unwrap_or_else(|| MediaType::of(MediaType::OCTETS));
    if !raw && media_type.is_json() {
        return read_json(request.body);
    }
    if !raw && media_type.essence() == MediaType::FORM {
        return read_form(request.body);
    }
    // Raw JSON is base64 too, for the sake of actions that were written before it was text.
    let text = if media_type.is_binary() || media_type.essence() == MediaType::JSON {
        STANDARD.encode(request.body).into()
    } else {
        String::from_utf8_lossy(request.body)
    };
    Ok(Body::Whole(Argument::Text(text)))
}

fn read_json(body: &[u8]) -> Result<Body<'_>, WebError> {
    if body.is_empty() {
        return Ok(Body::Absent);
    }
    let malformed = |error: serde_json::Error| WebError::MalformedContent(error.to_string());
    let value = json::raw(body).map_err(malformed)?;
    if type_of(value.get()) != JsonType::Object {
        return Ok(Body::Whole(Argument::Json(value)));
    }
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(value.get()).map_err(malformed)?;
    let fields = fields.into_iter().map(|(name, value)| (name.into(), Argument::Json(value)));
    Ok(Body::Fields(fields.collect()))
}

fn read_form(body: &[u8]) -> Result<Body<'static>, WebError> {
    let text = String::from_utf8_lossy(body);
    let fields = pairs(&text).map_err(|error| WebError::MalformedContent(error.to_string()))?;
    let fields = fields.map(|(name, value)| (name.into(), Argument::Text(value.into())));
    Ok(Body::Fields(fields.collect()))
}
