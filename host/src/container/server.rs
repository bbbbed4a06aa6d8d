//! HTTP/1.1: the port, the connections, the two routes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{self, HttpResponse};
use super::connection::{Connection, Places, Progress};
use super::drain::{Drain, StopSignals};
use super::intake::Intake;
use super::lifecycle::Container;
use super::{init, run};
use crate::engine::memory_left;
use keynet_base::redaction::redact_bytes;

/// Size in bytes of a connection's read buffer: the headers of a request must fit into it.
const MAX_HEADERS: usize = 64 << 10;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Maximum number of blocking threads, for reading code and embedded storage. OpenWhisk allows a
/// container 1024 processes in all.
const MAX_BLOCKING: usize = 64;

/// Time that the reader of the logs may take for the last lines of the process.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Time to respond to the requests that were cut off.
const LAST_WORDS: Duration = Duration::from_millis(500);

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
        let listener = listen(port)?;
        let container = Arc::new(Container::new(environment));
        write_diagnostics(container.config.diagnostics.as_deref())?;
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

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Accepts both, independent of `net.ipv6.bindv6only`.
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
    let grace = container.config.grace;
    let drain = Arc::new(Drain::new());
    let connections = GracefulShutdown::new();
    let places = Arc::new(Places::of_the_process());
    let intake = Arc::new(Intake::of(memory_left().unwrap_or(u64::MAX)));
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEADERS);
    let answering = |(stream, place): (TcpStream, _)| {
        // Small responses must not be delayed by Nagle's algorithm.
        let _ = stream.set_nodelay(true);
        let (container, drain, intake, progress) =
            (Arc::clone(&container), Arc::clone(&drain), Arc::clone(&intake), Arc::default());
        let connection = Connection::new(stream, Arc::clone(&places), place, Arc::clone(&progress));
        let service = service_fn(move |request| {
            let (container, drain) = (Arc::clone(&container), Arc::clone(&drain));
            let (intake, progress) = (Arc::clone(&intake), Arc::<Progress>::clone(&progress));
            async move {
                let _under_way = progress.begin();
                Ok::<_, Infallible>(route(&container, &drain, &intake, request).await)
            }
        });
        http.serve_connection(TokioIo::new(connection), service)
    };
    take_until(&listener, &places, stop.next(), |taken| {
        drop(tokio::spawn(connections.watch(answering(taken))))
    })
    .await;

    tracing::info!(seconds = grace.as_secs_f64(), "asked to stop; what is under way may end");
    drain.begin();
    let patience = async {
        let mut ended = pin!(connections.shutdown());
        tokio::select! {
            () = &mut ended => return,
            () = tokio::time::sleep(grace) => {}
            () = stop.next() => {} // a second signal ends the wait
        }
        tracing::warn!("activations that took too long to end were cut off");
        drain.cut_off();
        let _ = tokio::time::timeout(LAST_WORDS, ended).await;
    };
    take_until(&listener, &places, patience, |taken| drop(tokio::spawn(answering(taken)))).await;
}

/// A connection with its slot.
type Taken = (TcpStream, Option<OwnedSemaphorePermit>);

/// Passes on every connection until `end`. Connections without a slot wait in the operating
/// system's queue.
async fn take_until(
    listener: &TcpListener,
    places: &Places,
    end: impl Future<Output = ()>,
    take: impl Fn(Taken),
) {
    let mut end = pin!(end);
    loop {
        tokio::select! {
            biased;
            () = &mut end => return,
            (accepted, place) = async {
                let place = places.place().await;
                (listener.accept().await, place)
            } => match accepted {
                Ok((stream, _)) => take((stream, place)),
                Err(error) => {
                    // Most likely the process has no descriptor left: those in use will be closed.
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
        }
    }
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
    let body = match intake.read(request.into_body()).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    if drain.has_begun() {
        return answer::error(StatusCode::SERVICE_UNAVAILABLE, answer::SHUTTING_DOWN);
    }
    if is_run { run::run(container, drain, body).await } else { init::init(container, body).await }
}
