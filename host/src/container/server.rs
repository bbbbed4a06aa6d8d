//! HTTP/1.1: the port, the connections, the two routes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use rustix::io::Errno;
use tokio::net::TcpListener;

use super::answer::{self, HttpResponse};
use super::lifecycle::Container;
use super::telemetry::{self, Telemetry};
use super::{init, run};
use crate::engine::memory_left;
use crate::http::{self, Drain, Intake, Server, StopSignals, listen_at};
use keynet_base::redaction::redact_bytes;

/// Maximum number of connections.
const MAX_CONNECTIONS: usize = 1024;

/// Maximum number of blocking threads, for reading code and embedded storage. OpenWhisk allows a
/// container 1024 processes in all.
const MAX_BLOCKING: usize = 64;

/// Time that the reader of the logs may take for the last lines of the process.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Serves on `port` until the process is asked to stop.
///
/// # Errors
/// The port or the file of diagnostics cannot be opened.
pub(super) fn start(port: u16, environment: BTreeMap<String, String>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(MAX_BLOCKING)
        .build()?;
    let ended = runtime.block_on(async {
        let mut stop = StopSignals::catch()?;
        let mut container = Container::new(environment);
        write_diagnostics(container.config.diagnostics.as_deref())?;
        container.telemetry = Telemetry::start(&container.config.telemetry)?;
        let container = Arc::new(container);
        telemetry::serve(&container)?;
        // After that of the metrics: who finds the port open finds both.
        let listener = listen(port).map_err(|error| {
            let why = "--port or PORT says another";
            io::Error::new(error.kind(), format!("cannot serve on port {port} ({why}): {error}"))
        })?;
        // The port is open; `/init` waits for the engine if it is not ready yet.
        let engine = Arc::clone(&container);
        tokio::spawn(async move {
            if let Err(error) = engine.engine().await {
                tracing::error!(%error, "the engine cannot be made");
            }
        });
        serve(listener, Arc::clone(&container), &mut stop).await;
        if let Some(loaded) = container.loaded() {
            loaded.host.close().await;
        }
        container.telemetry.close().await;
        container.output.drained(LAST_LINES).await;
        Ok(())
    });
    // The remaining tasks were cut off or rejected.
    runtime.shutdown_background();
    ended
}

/// Listens on IPv6 and IPv4; on a machine without IPv6, on IPv4 alone.
fn listen(port: u16) -> io::Result<TcpListener> {
    match listen_at(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Err(error) if is_without_v6(&error) => {
            listen_at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        listening => listening,
    }
}

/// Reports whether an IPv6 address failed because the machine has no IPv6: it is not built in, or
/// it is disabled.
fn is_without_v6(error: &io::Error) -> bool {
    let without =
        [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL, Errno::PROTONOSUPPORT, Errno::NOPROTOOPT];
    error
        .raw_os_error()
        .is_some_and(|number| without.iter().any(|errno| errno.raw_os_error() == number))
}

/// A file of the host's messages that removes secrets. Each write must be a whole message.
struct Redacted(File);

impl Write for Redacted {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        self.0.write_all(&redact_bytes(message))?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Sends the host's own messages to a file. They never go to the streams that OpenWhisk reads.
fn write_diagnostics(file: Option<&Path>) -> io::Result<()> {
    let Some(path) = file else { return Ok(()) };
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("KEYNET_DIAGNOSTICS names {}: {error}", path.display()),
        )
    };
    let file = OpenOptions::new().append(true).create(true).open(path).map_err(named)?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(Redacted(file)));
    subscriber.try_init().map_err(io::Error::other)
}

async fn serve(listener: TcpListener, container: Arc<Container>, stop: &mut StopSignals) {
    let server = Server { grace: container.config.grace, connections: MAX_CONNECTIONS };
    let intake = Arc::new(Intake::of(memory_left().unwrap_or(u64::MAX)));
    let drain = Arc::new(Drain::new());
    let answering = |drain: Arc<Drain>| {
        move |request| {
            let (container, drain) = (Arc::clone(&container), Arc::clone(&drain));
            let intake = Arc::clone(&intake);
            async move { route(&container, &drain, &intake, request).await }
        }
    };
    server.serve(listener, &drain, stop, answering(Arc::clone(&drain)), http::spawn).await;
}

async fn route(
    container: &Container,
    drain: &Drain,
    intake: &Intake,
    request: Request<Incoming>,
) -> HttpResponse {
    let is_run = match (request.method(), request.uri().path()) {
        (&Method::POST, "/run") => true,
        (&Method::POST, "/init") => false,
        (_, "/run" | "/init") => {
            return answer::error(StatusCode::METHOD_NOT_ALLOWED, "there is only POST");
        }
        _ => return answer::error(StatusCode::NOT_FOUND, "there are only /init and /run"),
    };
    let (head, body) = request.into_parts();
    let body = match intake.read(body).await {
        Ok(body) => body,
        Err(refused) => return answer::error(refused.status(), &refused.to_string()),
    };
    if drain.has_begun() {
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, answer::SHUTTING_DOWN);
    }
    if is_run {
        run::run(container, drain, &head.headers, body).await
    } else {
        init::init(container, body).await
    }
}
