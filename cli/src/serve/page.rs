//! `/ui`: the page of a node, for the one action of `run --serve`.
//!
//! It is served at loopback addresses only, and asks for no key: a client that can send requests
//! there can run the action by `POST /` as well. Requests for other host names and from pages of
//! other sites are rejected before they get here.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use keynet_artifact::CapabilityRequest;
use keynet_base::budget::MemoryBudget;
use keynet_node::page::{Gallery, PageServer, PictureError, asset, may_use};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::Served;
use super::answer;

/// Namespace that the page shows.
pub const NAMESPACE: &str = "run --serve";

/// Memory of the pictures of one request, in bytes.
const PICTURES: u64 = 64 << 20;

/// Records of one list.
const LISTED: usize = 100;

const MIB: u64 = 1 << 20;

/// Keeps a page of another site from showing what is here.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Returns the routes of the page.
pub fn routes() -> Router<Arc<Served>> {
    let namespace = Router::new()
        .route("/descriptions", get(descriptions))
        .route("/descriptions/{name}", get(description))
        .route("/actions/{name}", post(invoke))
        .route("/activations", get(activations))
        .route("/activations/{id}", get(activation))
        .route("/activations/{id}/logs", get(logs))
        .route("/pictures", get(read_picture).post(store_picture));
    Router::new()
        .route("/ui", get(redirect))
        .route("/ui/", get(async |headers: HeaderMap| file("", &headers)))
        .route(
            "/ui/{file}",
            get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
        )
        .route("/api/v1/namespaces", get(async || json_of(&json!([NAMESPACE]))))
        .nest("/api/v1/namespaces/_", namespace)
}

async fn redirect() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("ui/"));
    response
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = asset(PageServer::Action, name) else { return unknown() };
    let held = file.is_held(headers.get(IF_NONE_MATCH));
    let mut response = Response::new(Body::from(if held { "" } else { file.body }));
    if held {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response.headers_mut().extend(file.headers());
    response
}

fn unknown() -> Response {
    answer::error(404, "not-found", "there is nothing here: the page of the action is at /ui")
}

fn json_of(value: &Value) -> Response {
    json_text(value.to_string())
}

fn json_text(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn summary(served: &Served) -> Value {
    let limits = served.action.limits();
    json!({
        "package": "", "name": served.action.description().name, "kind": "wasm:component",
        "version": "0.0.1", "digest": served.action.digest().to_string(),
        "limits": {
            "timeout": u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
            "memory": limits.memory / MIB, "logs": limits.logs / MIB,
        },
    })
}

async fn descriptions(State(served): State<Arc<Served>>) -> Response {
    json_of(&json!([summary(&served)]))
}

async fn description(State(served): State<Arc<Served>>, Path(name): Path<String>) -> Response {
    let described = served.action.description();
    if name != described.name {
        return unknown();
    }
    let mut json = summary(&served);
    if let Value::Object(fields) = &mut json {
        fields.insert("description".to_owned(), json!(described.description));
        fields.insert("inputSchema".to_owned(), json!(described.input_schema));
        fields.insert("imports".to_owned(), json!(served.action.imports().names()));
        fields.insert("mayUse".to_owned(), json!(may_use(&served.action)));
        fields.insert("presets".to_owned(), json!([]));
    }
    json_of(&json)
}

async fn invoke(
    State(served): State<Arc<Served>>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if name != served.action.description().name {
        return unknown();
    }
    match super::read_parameters(body).await {
        Ok(parameters) => json_text(served.activate(parameters).await.1.whole()),
        Err(refused) => *refused,
    }
}

/// Returns the value of a parameter in a query; `None` if it is not there.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

async fn activations(State(served): State<Arc<Served>>, RawQuery(query): RawQuery) -> Response {
    let number = |name| parameter(query.as_deref(), name).and_then(|text| text.parse().ok());
    let since = number("since").unwrap_or_default();
    let records = served.activations.list(since, LISTED);
    json_of(&records.iter().map(|record| record.summary()).collect())
}

async fn activation(State(served): State<Arc<Served>>, Path(id): Path<String>) -> Response {
    served.activations.get(&id).map_or_else(unknown, |record| json_text(record.whole()))
}

async fn logs(State(served): State<Arc<Served>>, Path(id): Path<String>) -> Response {
    let record = served.activations.get(&id);
    record.map_or_else(unknown, |record| json_of(&json!({ "logs": record.logs })))
}

/// Returns the pictures of the storage, which may be no more than actions without a request may use.
fn gallery(served: &Served) -> Result<Gallery, PictureError> {
    let storage = served.storage.clone()?;
    let grants = served.policy.grants(&CapabilityRequest::default());
    Ok(Gallery::new(&storage, &grants, &MemoryBudget::process(PICTURES)))
}

fn refused(error: &PictureError) -> Response {
    answer::error(error.status(), "picture", &error.to_string())
}

async fn store_picture(
    State(served): State<Arc<Served>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejected) => return super::rejected(&rejected),
    };
    let stored = match gallery(&served) {
        Ok(gallery) => gallery.store(&body).await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(location) => {
            let mut response = json_of(&json!({ "location": location }));
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        Err(error) => refused(&error),
    }
}

async fn read_picture(State(served): State<Arc<Served>>, RawQuery(query): RawQuery) -> Response {
    let Some(location) = parameter(query.as_deref(), "location") else {
        return answer::error(400, "invalid", "the query parameter `location` names the picture");
    };
    let read = match gallery(&served) {
        Ok(gallery) => gallery.read(&location).await,
        Err(error) => Err(error),
    };
    let picture = match read {
        Ok(picture) => picture,
        Err(error) => return refused(&error),
    };
    let mut response = json_text(String::new());
    *response.body_mut() = Body::from(picture.bytes);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(picture.content_type));
    let policy = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}
