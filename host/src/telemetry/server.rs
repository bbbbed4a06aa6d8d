//! `GET /metrics` on an address of its own, so that a proxy does not publish it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::http::{self, Drain, HttpResponse, Server, StopSignals, listen_at};

/// Media type of OpenMetrics' text.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Limits of the server: it has few clients.
const SERVER: Server = Server { grace: Duration::ZERO, connections: 16 };

/// Error of an address that cannot be used for metrics.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be served on {address}: {error}")]
pub struct MetricsError {
    /// The address.
    pub address: SocketAddr,
    /// Reason.
    #[source]
    pub error: io::Error,
}

/// Serves the text that `metrics` returns on `address`, as long as the process runs. Must be called
/// within a tokio runtime.
///
/// # Errors
/// The address cannot be used.
pub fn serve_metrics(
    address: SocketAddr,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Result<(), MetricsError> {
    let failed = |error| MetricsError { address, error };
    let listener = listen_at(address).map_err(failed)?;
    let mut stop = StopSignals::catch().map_err(failed)?;
    let answering = move |request: Request<_>| {
        let response = answer(request.method(), request.uri().path(), &metrics);
        async move { response }
    };
    tokio::spawn(async move {
        SERVER.serve(listener, &Drain::new(), &mut stop, answering, http::spawn).await
    });
    Ok(())
}

fn answer(method: &Method, path: &str, metrics: impl Fn() -> String) -> HttpResponse {
    let (status, body) = match (method, path) {
        (&Method::GET, "/metrics") => (StatusCode::OK, metrics()),
        _ => (StatusCode::NOT_FOUND, "there is only GET /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if status == StatusCode::OK {
        response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
    }
    response
}
