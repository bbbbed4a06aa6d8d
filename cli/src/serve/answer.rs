//! JSON responses.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, StatusCode};
use keynet_host::ResultText;
use keynet_host::action::Description;
use serde_json::json;

/// Returns an action's result, unchanged.
pub fn result(json: ResultText) -> Response<Body> {
    with_status(StatusCode::OK, Bytes::from(json))
}

/// Returns `{"error": message, "kind": name}`.
pub fn error(status: u16, kind: &str, message: &str) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_status(status, json!({ "error": message, "kind": kind }).to_string())
}

/// Returns an action's description of itself.
pub fn description(description: &Description) -> Response<Body> {
    let json = json!({
        "name": description.name,
        "description": description.description,
        "input_schema": description.input_schema,
    });
    with_status(StatusCode::OK, json.to_string())
}

fn with_status(status: StatusCode, json: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(json.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_is_json_with_its_status() {
        let response = error(504, "out-of-time", "too \"slow\"");
        assert_eq!(
            (response.status().as_u16(), response.headers()[CONTENT_TYPE].to_str().unwrap()),
            (504, "application/json")
        );
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, r#"{"error":"too \"slow\"","kind":"out-of-time"}"#);
    }
}
