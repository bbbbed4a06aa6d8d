//! The connections to the server, and what every call on them brings.
//!
//! What goes over one connection reaches the server together, in few reads, and its batcher as one
//! lot: small calls share the first connection. But one HTTP/2 connection is one socket and one
//! lock, in which large tensors queue behind each other, and servers limit the calls of one. So a
//! call goes to the first connection that is not full yet, by what is under way on it, or else to
//! the emptiest. A connection is made when it is first needed, and made again when it broke.
//!
//! **Windows.** A connection's window is as large as HTTP/2 can say, so that one answer that nobody
//! reads holds up no other; how much of an answer may wait unread is the window of its stream.
//! Answers of `ModelInfer` are read at once and get a large one. Those of prediction streams wait
//! for the guest, and have connections of their own with a small one, which is counted in the
//! activation's memory.
//!
//! **Keep-alive.** Dead peers are found by TCP's probes. HTTP/2 pings are sent only while a call is
//! under way, and not more often than every 310 s: by default Triton hangs up on clients that ping
//! more often than every 300 s without sending data.

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
use keynet_base::error::{Error, Result};
use keynet_base::error_chain;
use keynet_base::outbound::AddressPolicy;

/// How much of an answer of `ModelInfer` may be on its way.
const CALL_WINDOW: u32 = 4 << 20;
/// How much of a prediction stream's answers may wait unread.
pub(super) const STREAM_WINDOW: u32 = 256 << 10;
/// The largest that HTTP/2 has.
const CONNECTION_WINDOW: u32 = i32::MAX as u32;
/// How large the frames of answers may be.
const FRAME: u32 = 1 << 20;
/// Bytes of the headers or trailers of one answer, the server's words for an error among them.
const HEADERS: u32 = 16 << 10;
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// A connection with so many small calls is full. Servers commonly allow a hundred at once.
const FULL: usize = 100;
/// So many bytes under way count as a call more.
const BYTES_OF_A_CALL: usize = 4 << 10;

/// Connections that calls are spread over.
#[derive(Debug)]
pub(super) struct Connections {
    endpoint: Endpoint,
    addresses: AddressPolicy,
    slots: Vec<Arc<Slot>>,
}

#[derive(Default)]
struct Slot {
    channel: OnceLock<Channel>,
    /// Calls under way, and what counts as such.
    load: AtomicUsize,
    outbox: Outbox,
}

/// A connection that is used for one call; dropped when the call is over.
#[derive(Debug)]
pub(super) struct Lease {
    pub channel: Channel,
    slot: Arc<Slot>,
    load: usize,
}

/// What a call with a small request counts.
const SMALL: usize = 1;

impl Connections {
    /// `number` connections to `endpoint`, none of them made yet.
    fn new(endpoint: Endpoint, addresses: AddressPolicy, number: u32) -> Self {
        Self { endpoint, addresses, slots: (0..number.max(1)).map(|_| Arc::default()).collect() }
    }

    /// For answers that are read at once, and for prediction streams.
    ///
    /// # Errors
    /// `unavailable`: a certificate or key cannot be used, naming its file. `denied`: the URL is a
    /// caller's, of a private address.
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

    /// A connection for a call whose request has `bytes` bytes. Must be called within a tokio
    /// runtime, as everything that asks a server.
    ///
    /// # Errors
    /// `internal`: there is no connection, which cannot be.
    pub fn lease(&self, bytes: usize) -> Result<Lease> {
        self.find(bytes / BYTES_OF_A_CALL + SMALL)
    }

    /// A connection for a prediction stream: each fills one.
    ///
    /// # Errors
    /// As [`Connections::lease`].
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

    /// One lease of every connection.
    pub fn each(&self) -> impl Iterator<Item = Lease> {
        self.slots.iter().map(|slot| self.lend(Arc::clone(slot), SMALL))
    }

    fn lend(&self, slot: Arc<Slot>, load: usize) -> Lease {
        slot.load.fetch_add(load, Ordering::Relaxed);
        let channel = slot.channel.get_or_init(|| match &self.addresses {
            AddressPolicy::Any => self.endpoint.connect_lazy(),
            policy => self.endpoint.connect_with_connector_lazy(PolicyConnector(policy.clone())),
        });
        Lease { channel: channel.clone(), slot, load }
    }
}

impl Lease {
    /// Sends a request and waits for the answer. It is on its way when this future was polled once,
    /// unless it is small and others are under way on the same connection: see [`super::outbox`].
    ///
    /// # Errors
    /// The connection. None: it was not sent.
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

    /// An answer of `bytes` bytes is on its way, too.
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

/// What every call brings: the token and the configured headers.
///
/// # Errors
/// `internal`: one of them is no header, which the configuration has checked.
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

    /// Which connections are used for leases, in their order.
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
        // A small question may have a large answer.
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
