//! Routing of requests (RestAPIs.scala, AuthorizedRouteDispatcher.scala).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::answer::{Answer, Rejection, Routed};
use super::request::Request;
use super::{Api, KEY, actions, activations, info, packages, web};

/// Authenticated user.
pub struct User;

impl User {
    /// Namespace of the user.
    pub const NAMESPACE: &'static str = "guest";
}

pub fn route(api: &Arc<Api>, request: &Request, transaction: &str) -> Routed {
    let parts: Vec<&str> = request.path.iter().map(String::as_str).collect();
    let get = request.method == "GET";
    match parts.as_slice() {
        [""] if get => Ok(Answer::json(200, &info(api))),
        ["ping"] if get => Ok(Answer::bytes_of(200, "text/plain; charset=UTF-8", b"pong".to_vec())),
        ["api", "v1"] | ["api", "v1", ""] if get => Ok(Answer::json(
            200,
            &json!({ "description": "OpenWhisk API", "api_version": "1.0.0", "api_version_path": "v1", "build": "", "buildno": "",
                     "swagger_paths": { "ui": "/docs", "api-docs": "/api-docs" } }),
        )),
        ["api", "v1", "web", namespace, package, name, rest @ ..] => {
            let user = authenticate(request).ok();
            web::run(api, request, user.is_some(), &[*namespace, *package, *name], rest)
        }
        ["api", "v1", "namespaces", rest @ ..] => {
            authenticate(request)?;
            namespaces(api, request, rest, transaction)
        }
        _ => Err(Rejection::no_route()),
    }
}

/// Checks basic authentication; a key is a UUID and a secret of at least 64 characters, and any
/// other form is handled as a wrong key.
fn authenticate(request: &Request) -> Result<User, Rejection> {
    let header = request.header("authorization").ok_or_else(|| Rejection::unauthorized(false))?;
    let expected = format!("Basic {}", STANDARD.encode(KEY));
    if header == expected {
        Ok(User)
    } else {
        Err(Rejection::unauthorized(header.starts_with("Basic ")))
    }
}

fn namespaces(api: &Arc<Api>, request: &Request, parts: &[&str], transaction: &str) -> Routed {
    let method = request.method.as_str();
    if matches!(parts, [] | [""]) {
        return if method == "GET" {
            Ok(Answer::json(200, &json!([User::NAMESPACE])))
        } else {
            Err(Rejection::method("GET"))
        };
    }
    let [namespace, collection, rest @ ..] = parts else { return Err(Rejection::no_route()) };
    if !is_name(namespace) {
        return Err(Rejection::new(400, "The namespace contains illegal characters."));
    }
    let namespace = if *namespace == "_" { User::NAMESPACE } else { namespace };
    if namespace != User::NAMESPACE {
        // The response does not reveal whether the entity exists.
        return Err(Rejection::forbidden(&[&[namespace], rest].concat().join("/")));
    }
    match *collection {
        "actions" => actions::route(api, request, rest, transaction),
        "activations" => activations::route(api, request, rest),
        "packages" => packages::route(api, request, rest),
        "limits" if method == "GET" && matches!(rest, [] | [""]) => Ok(Answer::json(
            200,
            &json!({ "invocationsPerMinute": api.setup.per_minute, "concurrentInvocations": 30, "firesPerMinute": 60, "minActionMemory": api.setup.min_memory,
                     "maxActionMemory": api.setup.max_memory, "minActionLogs": 0, "maxActionLogs": 10, "minActionTimeout": 100,
                     "maxActionTimeout": 300_000, "minActionConcurrency": 1, "maxActionConcurrency": api.setup.max_concurrency,
                     "maxParameterSize": "1048576 B", "maxActionInstances": 30 }),
        )),
        _ => Err(Rejection::no_route()),
    }
}

/// Checks a name by EntityName's rule: a letter, digit or underscore, then those, `@`, spaces, `.`,
/// `&`, `-`, no space at the end, 256 at most.
pub fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inner = |c: char| first(c) || "@ .&-".contains(c);
    text.starts_with(first) && text.chars().all(inner) && !text.ends_with(' ') && text.len() <= 256
}

/// Decodes and checks a name in a path.
pub fn entity_name(text: &str) -> Result<String, Rejection> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    let long = format!("Name segement longer than allowed: {} > 256.", text.len());
    Err(Rejection::new(
        400,
        if text.len() > 256 {
            long
        } else {
            "The name of the entity contains illegal characters.".to_owned()
        },
    ))
}

/// Parses `skip` and `limit` of a list (RestApiCommons).
pub fn page(request: &Request, collection: &str) -> Result<(usize, usize), Rejection> {
    let number = |name: &'static str, default: i64| match request.query.get(name) {
        None => Ok(default),
        Some(text) => text.parse::<i64>().map_err(|_| {
            Rejection::parameter(
                name,
                format!("The value '{text}' is not an integer for {collection}."),
            )
        }),
    };
    let (skip, limit) = (number("skip", 0)?, number("limit", 30)?);
    if skip < 0 {
        return Err(Rejection::parameter(
            "skip",
            format!("The value '{skip}' is not greater than or equal to 0 for {collection}."),
        ));
    }
    if !(0..=200).contains(&limit) {
        return Err(Rejection::parameter(
            "limit",
            format!("The value '{limit}' is not in the range of 0 to 200 for {collection}."),
        ));
    }
    let limit = if limit == 0 { 200 } else { limit };
    Ok((usize::try_from(skip).expect("positive"), usize::try_from(limit).expect("positive")))
}

/// Parses a query parameter that is `true` or `false`.
pub fn flag(request: &Request, name: &'static str, default: bool) -> Result<bool, Rejection> {
    match request.query.get(name).map(|text| text.to_ascii_lowercase()).as_deref() {
        None => Ok(default),
        Some("true" | "yes" | "on" | "1") => Ok(true),
        Some("false" | "no" | "off" | "0") => Ok(false),
        Some(other) => {
            Err(Rejection::parameter(name, format!("'{other}' is not a valid Boolean value")))
        }
    }
}
