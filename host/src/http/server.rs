//! Serving: connections, requests, and the shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Connection, Places, Progress};
use super::drain::{Drain, StopSignals};

/// A response whose body is complete.
pub type HttpResponse = Response<Full<Bytes>>;

/// What is done on a connection, from the first request to the last response.
pub type ConnectionTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a connection as a task of the runtime.
pub fn spawn(connection: ConnectionTask) {
    drop(tokio::spawn(connection));
}

/// Size in bytes of a connection's read buffer: the headers of a request must fit into it.
const MAX_HEADERS: usize = 64 << 10;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Time to respond to the requests that were cut off.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Returns a listener on `address`; an IPv6 address also accepts IPv4.
///
/// # Errors
/// The address cannot be used.
pub fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if address.is_ipv6() {
        // Accepts both, independent of `net.ipv6.bindv6only`.
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Limits of a server.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    /// Time that running requests have to end during the shutdown.
    pub grace: Duration,
    /// Maximum number of connections; half of the process's limit of descriptors if that is lower.
    pub connections: usize,
}

impl Server {
    /// Serves on `listener` until `stop` reports a signal and the running requests have ended, at
    /// most for the grace period; a second signal ends it. `answer` responds to each request, and
    /// is expected to refuse new work once `drain` has begun. `spawn` runs each connection as a task.
    pub async fn serve<S, F>(
        self,
        listener: TcpListener,
        drain: &Drain,
        stop: &mut StopSignals,
        answer: S,
        spawn: impl Fn(ConnectionTask),
    ) where
        S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = HttpResponse> + Send + 'static,
    {
        let connections = GracefulShutdown::new();
        let places = Arc::new(Places::up_to(self.connections));
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_HEADERS);
        let answering = |(stream, place): (TcpStream, _)| {
            // Small responses must not be delayed by Nagle's algorithm.
            let _ = stream.set_nodelay(true);
            let progress = Arc::<Progress>::default();
            let connection =
                Connection::new(stream, Arc::clone(&places), place, Arc::clone(&progress));
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let (progress, answered) = (Arc::clone(&progress), answer(request));
                async move {
                    let _under_way = progress.begin();
                    let mut response = answered.await;
                    progress.keep(response.extensions_mut());
                    Ok::<_, Infallible>(response)
                }
            });
            http.serve_connection(TokioIo::new(connection), service)
        };
        take_until(&listener, &places, stop.next(), |taken| {
            spawn(Box::pin(connections.watch(answering(taken)).map(drop)));
        })
        .await;

        let seconds = self.grace.as_secs_f64();
        tracing::info!(seconds, "asked to stop; what is under way may end");
        drain.begin();
        let patience = async {
            let mut ended = pin!(connections.shutdown());
            tokio::select! {
                () = &mut ended => return,
                () = tokio::time::sleep(self.grace) => {}
                () = stop.next() => {} // a second signal ends the wait
            }
            tracing::warn!("activations that took too long to end were cut off");
            drain.cut_off();
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        };
        take_until(&listener, &places, patience, |taken| {
            spawn(Box::pin(answering(taken).map(drop)));
        })
        .await;
    }
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
