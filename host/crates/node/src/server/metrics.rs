//! `GET /metrics` on an address of its own, so that a proxy does not publish it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use keynet_host::http::{Drain, HttpResponse, Server, StopSignals, listen_at};

use super::ServeError;
use crate::node::Node;

/// Media type of OpenMetrics' text.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Limits of the server: it has few clients.
const SERVER: Server = Server { grace: Duration::ZERO, connections: 16 };

/// Serves the metrics on `address`, if there is one, as long as the process runs.
///
/// # Errors
/// The address cannot be used.
pub(super) fn serve(node: &Arc<Node>, address: Option<SocketAddr>) -> Result<(), ServeError> {
    let Some(address) = address else { return Ok(()) };
    let listener = listen_at(address).map_err(|error| ServeError::Listen { address, error })?;
    let mut stop = StopSignals::catch().map_err(ServeError::Start)?;
    let node = Arc::clone(node);
    let answering = move |request: Request<_>| {
        let response = answer(&node, request.method(), request.uri().path());
        async move { response }
    };
    tokio::spawn(async move { SERVER.serve(listener, &Drain::new(), &mut stop, answering).await });
    Ok(())
}

fn answer(node: &Node, method: &Method, path: &str) -> HttpResponse {
    let (status, body) = match (method, path) {
        (&Method::GET, "/metrics") => (StatusCode::OK, node.metrics_text()),
        _ => (StatusCode::NOT_FOUND, "there is only GET /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if status == StatusCode::OK {
        response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
    }
    response
}
