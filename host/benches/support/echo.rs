//! The echo server: the cost of HTTP and of the log markers without an action.

use std::io::Write as _;
use std::net::Ipv4Addr;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::Value;

/// Argument that makes this process the echo server.
pub const ROLE: &str = "echo";

/// Responds to `POST /run` with its `value` until the process is killed.
pub fn serve(port: u16) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener =
            tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port");
        axum::serve(listener, axum::Router::new().route("/run", post(echo)))
            .await
            .expect("a server");
    });
}

async fn echo(body: Bytes) -> impl IntoResponse {
    let mut body: Value = serde_json::from_slice(&body).expect("JSON");
    let end = format!("{}\n", keynet_host::activation::SENTINEL);
    let _ = std::io::stdout().lock().write_all(end.as_bytes());
    let _ = std::io::stderr().lock().write_all(end.as_bytes());
    ([(CONTENT_TYPE, "application/json")], body["value"].take().to_string())
}
