//! Web actions: `/api/v1/web/NAMESPACE/PACKAGE/NAME.EXTENSION` (WebActions.scala), as far as
//! actions that return JSON, text or an HTTP response need it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Rejection, Routed};
use super::body::Action;
use super::request::Request;
use super::routes::User;
use super::{Api, invoke};

const EXTENSIONS: [&str; 5] = [".http", ".json", ".html", ".svg", ".text"];
const RESERVED: [&str; 6] =
    ["__ow_method", "__ow_headers", "__ow_path", "__ow_user", "__ow_query", "__ow_body"];

pub fn run(
    api: &Arc<Api>,
    request: &Request,
    authenticated: bool,
    name: &[&str; 3],
    rest: &[&str],
) -> Routed {
    let [namespace, package, name] = name;
    let extension = EXTENSIONS.into_iter().find(|extension| name.ends_with(extension));
    let name = extension.map_or(*name, |extension| &name[..name.len() - extension.len()]);
    let package = if *package == "default" { "" } else { package };
    let found = api.store().actions.get(&(package.to_owned(), name.to_owned())).cloned();
    let action = found
        .filter(|action| *namespace == User::NAMESPACE && action.is("web-export", false))
        .ok_or_else(Rejection::not_found)?;
    if !allowed(&action, request, authenticated) {
        return Err(Rejection::new(
            401,
            "The resource requires authentication, which was not supplied with the request",
        ));
    }
    let raw = action.is("raw-http", false);
    let arguments = arguments(request, raw, authenticated, rest);
    let given = arguments.keys().filter(|key| !RESERVED.contains(&key.as_str()));
    let mut overridden =
        given.filter(|key| action.is("final", false) && action.parameters.contains_key(*key));
    if !raw
        && (overridden.next().is_some()
            || request.query.keys().any(|key| RESERVED.contains(&key.as_str())))
    {
        return Err(Rejection::new(
            400,
            "Request defines parameters that are not allowed (e.g., reserved properties).",
        ));
    }
    let (id, record) = invoke::start(api, &action, arguments, &api.transaction())?;
    let Ok(record) = record.recv_timeout(api.setup.max_wait) else {
        return Err(Rejection::new(202, "Response not yet ready."));
    };
    let response = &record["response"];
    let result = match response["status"].as_str() {
        Some("success") => response["result"].clone(),
        Some("application error") => response["result"]["error"].clone(),
        _ => return Err(Rejection::new(502, "There was an error processing your request.")),
    };
    project(&result, extension.unwrap_or(".http"))
        .map(|answer| answer.with("x-openwhisk-activation-id", &id))
}

/// Checks `require-whisk-auth`.
fn allowed(action: &Action, request: &Request, authenticated: bool) -> bool {
    let shown = request.header("x-require-whisk-auth");
    match action.annotations.get("require-whisk-auth") {
        None | Some(Value::Bool(false)) => true,
        Some(Value::Bool(true)) => authenticated,
        Some(Value::String(secret)) => shown == Some(secret.as_str()),
        Some(Value::Number(secret)) => shown == Some(secret.to_string().as_str()),
        Some(_) => false,
    }
}

fn arguments(
    request: &Request,
    raw: bool,
    authenticated: bool,
    rest: &[&str],
) -> Map<String, Value> {
    let path: String = rest.iter().map(|part| format!("/{part}")).collect();
    let mut arguments = Map::new();
    arguments.insert("__ow_method".into(), json!(request.method.to_lowercase()));
    arguments.insert("__ow_headers".into(), json!(request.headers));
    arguments.insert("__ow_path".into(), json!(path));
    if authenticated {
        arguments.insert("__ow_user".into(), json!(User::NAMESPACE));
    }
    let kind = request.header("content-type").unwrap_or_default();
    let text = || String::from_utf8_lossy(&request.body).into_owned();
    if raw {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        arguments.insert("__ow_query".into(), json!(query));
        let binary = kind.starts_with("application/json")
            || kind.starts_with("image/")
            || kind.starts_with("application/octet-stream");
        arguments.insert(
            "__ow_body".into(),
            json!(if binary { STANDARD.encode(&request.body) } else { text() }),
        );
        return arguments;
    }
    arguments.extend(request.query.iter().map(|(name, value)| (name.clone(), json!(value))));
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(fields)) if kind.starts_with("application/json") => {
            arguments.extend(fields)
        }
        Ok(other) if kind.starts_with("application/json") => {
            drop(arguments.insert("__ow_body".into(), other))
        }
        _ if request.body.is_empty() => {}
        _ => drop(arguments.insert("__ow_body".into(), json!(text()))),
    }
    arguments
}

/// Converts the result to the format of its extension.
fn project(result: &Value, extension: &str) -> Routed {
    let media = |kind: &str| Rejection::new(400, format!("Response is not valid '{kind}'."));
    match extension {
        ".json" if result.is_object() || result.is_array() => Ok(Answer::json(200, result)),
        ".json" => Err(media("application/json")),
        ".text" | ".html" | ".svg" => {
            let value =
                result.get("body").or_else(|| result.get(&extension[1..])).unwrap_or(result);
            let kind = match extension {
                ".text" => "text/plain; charset=UTF-8",
                ".html" => "text/html; charset=UTF-8",
                _ => "image/svg+xml",
            };
            match value {
                Value::String(text) => Ok(Answer::bytes_of(200, kind, text.clone().into_bytes())),
                other if extension == ".text" => {
                    Ok(Answer::bytes_of(200, kind, other.to_string().into_bytes()))
                }
                _ => Err(media(kind)),
            }
        }
        _ => http(result).ok_or_else(|| media("message/http")),
    }
}

/// Converts an object with `statusCode`, `headers` and `body` to a response.
fn http(result: &Value) -> Option<Answer> {
    let fields = result.as_object()?;
    let code = match fields.get("statusCode") {
        None => None,
        Some(Value::String(text)) => Some(text.parse().ok()?),
        Some(value) => Some(u16::try_from(value.as_u64()?).ok()?),
    };
    let headers = fields
        .get("headers")
        .map_or_else(|| Some(Map::new()), |headers| headers.as_object().cloned())?;
    let kind = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .and_then(|(_, value)| value.as_str());
    let mut answer = match fields.get("body") {
        None | Some(Value::Null) => Answer::bytes_of(code.unwrap_or(204), "text/plain", Vec::new()),
        Some(Value::String(text)) => {
            let kind = kind.unwrap_or("text/html");
            let binary =
                !(kind.starts_with("text/") || kind.contains("json") || kind.contains("xml"));
            let body = if binary { STANDARD.decode(text).ok()? } else { text.clone().into_bytes() };
            Answer::bytes_of(code.unwrap_or(200), kind, body)
        }
        Some(other) => Answer::bytes_of(
            code.unwrap_or(200),
            kind.unwrap_or("application/json"),
            other.to_string().into_bytes(),
        ),
    };
    for (name, value) in
        headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"))
    {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for value in values {
            answer =
                answer.with(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    Some(answer)
}
