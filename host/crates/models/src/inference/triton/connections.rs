//! The connections to the server, and the headers that every call sends.
//!
//! Requests on one connection reach the server together, in few reads, so that its batcher can
//! combine them: small calls share the first connection. But one HTTP/2 connection is one socket
//! and one lock, in which large tensors queue behind each other, and servers limit the concurrent
//! calls of a connection. Therefore a call uses the first connection that is not full yet, by its
//! current load, or else the least loaded one. A connection is opened when it is first needed, and
//! reopened after it broke.
//!
//! **Windows.** A connection's window has the maximum size of HTTP/2, so that an unread response
//! does not block others; the amount of unread data of a response is limited by the window of its
//! stream. Responses of `ModelInfer` are read immediately and get a large stream window. Those of
//! prediction streams wait for the guest; they have separate connections with a small window, which
//! is charged to the activation's memory.
//!
//! **Keep-alive.** Dead peers are detected by TCP keep-alive probes. HTTP/2 pings are sent only
//! during a call, and at most every 310 s: by default Triton disconnects clients that ping more
//! often than every 300 s without sending data.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::outbox::Outbox;
use super::policy_connector::PolicyConnector;
use keynet_base::config::TritonConfig;
use keynet_base::counters::{self, Entered};
use keynet_base::error::{Error, Result};
use keynet_base::error_chain;
use keynet_base::outbound::AddressPolicy;

/// Stream window of a `ModelInfer` response, in bytes.
const CALL_WINDOW: u32 = 4 << 20;
/// Stream window of a prediction stream's responses, in bytes.
pub(super) const STREAM_WINDOW: u32 = 256 << 10;
/// The maximum of HTTP/2.
const CONNECTION_WINDOW: u32 = i32::MAX as u32;
/// Maximum size of the frames of responses, in bytes.
const FRAME: u32 = 1 << 20;
/// Maximum size of the headers or trailers of one response in bytes, including the server's error
/// message.
const HEADERS: u32 = 16 << 10;
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Load of a full connection, in small calls. Servers commonly allow a hundred concurrent calls.
const FULL: usize = 100;
/// Bytes in transit that count as one more call.
const BYTES_OF_A_CALL: usize = 4 << 10;

/// Pool of connections over which calls are distributed.
#[derive(Debug)]
pub(super) struct Connections {
    endpoint: Endpoint,
    addresses: AddressPolicy,
    slots: Vec<Arc<Slot>>,
}

#[derive(Default)]
struct Slot {
    channel: OnceLock<(Channel, Entered)>,
    /// Current load: running calls, and bytes in transit converted to calls.
    load: AtomicUsize,
    outbox: Outbox,
}

/// Use of a connection for one call; dropped at the end of the call.
#[derive(Debug)]
pub(super) struct Lease {
    pub channel: Channel,
    slot: Arc<Slot>,
    load: usize,
    _counted: Entered,
}

/// Load of a call with a small request.
const SMALL: usize = 1;

impl Connections {
    /// Creates a pool of `number` connections to `endpoint`, none of which is open yet.
    fn new(endpoint: Endpoint, addresses: AddressPolicy, number: u32) -> Self {
        Self { endpoint, addresses, slots: (0..number.max(1)).map(|_| Arc::default()).collect() }
    }

    /// Creates the pool for responses that are read immediately, and the pool for prediction
    /// streams.
    ///
    /// # Errors
    /// `unavailable`: a certificate or key cannot be used, naming its file. `denied`: the URL was
    /// supplied by a caller and is at a private address.
    pub fn open(config: &TritonConfig) -> Result<(Self, Self)> {
        let addresses = AddressPolicy::of(config.origin);
        addresses.check(&config.url)?;
        let endpoint = endpoint(config)?;
        let streams = endpoint.clone().initial_stream_window_size(STREAM_WINDOW);
        Ok((
            Self::new(endpoint, addresses.clone(), config.link.connections),
            Self::new(streams, addresses, config.link.connections),
        ))
    }

    /// Leases a connection for a call whose request has `bytes` bytes. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// `internal`: the pool is empty, which does not happen.
    pub fn lease(&self, bytes: usize) -> Result<Lease> {
        self.find(bytes / BYTES_OF_A_CALL + SMALL)
    }

    /// Leases a connection for a prediction stream, which counts as a full load.
    ///
    /// # Errors
    /// The same as for [`Connections::lease`].
    pub fn lease_for_long(&self) -> Result<Lease> {
        self.find(FULL)
    }

    fn find(&self, load: usize) -> Result<Lease> {
        let mut slots = self.slots.iter();
        let free = slots
            .find(|slot| slot.load() < FULL)
            .or_else(|| self.slots.iter().min_by_key(|slot| slot.load()));
        let slot = free.ok_or_else(|| Error::internal("there is no connection to Triton"))?;
        Ok(self.lend(Arc::clone(slot), load))
    }

    /// Returns one lease of every connection.
    pub fn each(&self) -> impl Iterator<Item = Lease> {
        self.slots.iter().map(|slot| self.lend(Arc::clone(slot), SMALL))
    }

    fn lend(&self, slot: Arc<Slot>, load: usize) -> Lease {
        slot.load.fetch_add(load, Ordering::Relaxed);
        let (channel, _) = slot.channel.get_or_init(|| {
            let channel = match &self.addresses {
                AddressPolicy::Any => self.endpoint.connect_lazy(),
                policy => {
                    self.endpoint.connect_with_connector_lazy(PolicyConnector(policy.clone()))
                }
            };
            (channel, counters::TRITON_CONNECTIONS.enter())
        });
        Lease { channel: channel.clone(), slot, load, _counted: counters::TRITON_CALLS.enter() }
    }
}

impl Lease {
    /// Sends a request and waits for the response. The request is sent when this future is first
    /// polled, unless it is small and other calls are running on the same connection: see
    /// [`super::outbox`].
    ///
    /// # Errors
    /// The connection failed. `None`: the request was not sent.
    pub async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Option<Result<Response<Body>, tonic::transport::Error>> {
        if let Err(error) = std::future::poll_fn(|context| {
            GrpcService::<Body>::poll_ready(&mut self.channel, context)
        })
        .await
        {
            return Some(Err(error));
        }
        if self.load > SMALL || self.slot.load() == SMALL {
            return Some(self.channel.call(request).await);
        }
        let another = self.channel.clone();
        self.slot.outbox.send(std::mem::replace(&mut self.channel, another), request).await
    }

    /// Adds a response of `bytes` bytes to the load.
    pub fn answered(&mut self, bytes: usize) {
        let more = bytes / BYTES_OF_A_CALL;
        self.slot.load.fetch_add(more, Ordering::Relaxed);
        self.load += more;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.load.fetch_sub(self.load, Ordering::Relaxed);
    }
}

impl Slot {
    fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("load", &self.load).finish_non_exhaustive()
    }
}

fn endpoint(config: &TritonConfig) -> Result<Endpoint> {
    let wrong = |error: &dyn fmt::Display| {
        Error::unavailable(format!("TRITON_URL in {} cannot be used: {error}", config.origin))
    };
    let uri: Uri = config.url.as_str().parse().map_err(|error| wrong(&error))?;
    let endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT_TIME)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(20)))
        .tcp_keepalive_interval(Some(Duration::from_secs(10)))
        .tcp_keepalive_retries(Some(3))
        .http2_keep_alive_interval(Duration::from_secs(310))
        .keep_alive_timeout(Duration::from_secs(20))
        .keep_alive_while_idle(false)
        .initial_stream_window_size(CALL_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .http2_max_header_list_size(HEADERS);
    if config.url.scheme() != "https" {
        return Ok(endpoint);
    }
    let mut tls = match &config.ca {
        Some(file) => ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read("KEYNET_TRITON_CA", file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &config.identity {
        tls = tls.identity(Identity::from_pem(
            read("KEYNET_TRITON_CERT", certificate)?,
            read("KEYNET_TRITON_KEY", key)?,
        ));
    }
    endpoint.tls_config(tls).map_err(|error| {
        let files = "KEYNET_TRITON_CA, KEYNET_TRITON_CERT and KEYNET_TRITON_KEY name PEM files";
        Error::unavailable(format!(
            "the certificates for Triton cannot be used: {}; {files}",
            error_chain::joined(&error)
        ))
    })
}

fn read(name: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        Error::unavailable(format!("{name}: cannot read {}: {error}", file.display()))
    })
}

/// Returns the headers of every call: the token and the configured headers.
///
/// # Errors
/// `internal`: one of them is not a valid header, which the configuration has already checked.
pub(super) fn metadata(config: &TritonConfig) -> Result<MetadataMap> {
    let mut headers = HeaderMap::new();
    let mut insert = |name: &str, value: &str| -> Result<()> {
        let wrong = || Error::internal(format!("{name} is no header that can be sent to Triton"));
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name.parse::<HeaderName>().map_err(|_| wrong())?, value);
        Ok(())
    };
    if let Some(token) = &config.token {
        insert("authorization", &format!("Bearer {}", token.expose()))?;
    }
    for (name, value) in &config.headers {
        insert(name, value.expose())?;
    }
    Ok(MetadataMap::from_headers(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the indices of the connections that the leases use, in the order of the leases.
    fn used(connections: &Connections, leases: &[Lease]) -> Vec<usize> {
        let place = |lease: &Lease| {
            connections.slots.iter().position(|slot| Arc::ptr_eq(slot, &lease.slot)).unwrap()
        };
        leases.iter().map(place).collect()
    }

    fn connections(number: u32) -> Connections {
        Connections::new(Endpoint::from_static("http://127.0.0.1:1"), AddressPolicy::Any, number)
    }

    #[tokio::test]
    async fn small_calls_share_a_connection_until_it_is_full() {
        let connections = connections(2);
        let mut leases: Vec<Lease> = (0..FULL).map(|_| connections.lease(200).unwrap()).collect();
        assert_eq!(used(&connections, &leases), vec![0; FULL]);
        leases.extend((0..2 * FULL).map(|_| connections.lease(200).unwrap()));
        let second = used(&connections, &leases).into_iter().sum::<usize>();
        assert_eq!(second, 3 * FULL / 2, "when all are full they are evenly so");
        drop(leases);
        assert_eq!(used(&connections, &[connections.lease(0).unwrap()]), [0]);
    }

    #[tokio::test]
    async fn large_messages_and_streams_have_connections_of_their_own() {
        let connections = connections(4);
        let picture = 1 << 20;
        let mut leases: Vec<Lease> =
            [picture, 10, picture, 10].map(|bytes| connections.lease(bytes).unwrap()).into();
        assert_eq!(used(&connections, &leases), [0, 1, 1, 2]);
        // A small request may have a large response.
        leases[3].answered(picture);
        leases.push(connections.lease(10).unwrap());
        assert_eq!(used(&connections, &leases[4..]), [3]);
        drop(leases);
        let streams: Vec<Lease> = (0..5).map(|_| connections.lease_for_long().unwrap()).collect();
        assert_eq!(used(&connections, &streams), [0, 1, 2, 3, 0]);
        drop(streams);
        assert!(connections.slots.iter().all(|slot| slot.load() == 0));
    }
}
