//! The connections to the server, and what every call on them brings.
//!
//! One HTTP/2 connection is one socket and one lock: large tensors queue behind each other in it. Calls go to the connection with the
//! fewest calls under way, the first of those with equally few, so that a lone caller keeps one connection warm and many callers open
//! the others. A connection is made when it is first needed, and made again when it broke.
//!
//! **Windows.** A connection's window is as large as HTTP/2 can say, so that one answer that nobody reads holds up no other; how much
//! of an answer may wait unread is the window of its stream. Answers of `ModelInfer` are read at once and get a large one. Those of
//! prediction streams wait for the guest, and have connections of their own with a small one, which is counted in the activation's
//! memory.
//!
//! **Keep-alive.** Dead peers are found by TCP's probes. HTTP/2 pings are sent only while a call is under way, and not more often than
//! every 310 s: by default Triton hangs up on clients that ping more often than every 300 s without sending data.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::public::PublicConnector;
use crate::config::{Origin, TritonConfig};
use crate::error::{Error, Result};
use crate::outbound::Reach;

/// How much of an answer of `ModelInfer` may be on its way.
const CALL_WINDOW: u32 = 4 << 20;
/// How much of a prediction stream's answers may wait unread.
pub(super) const STREAM_WINDOW: u32 = 256 << 10;
/// The largest that HTTP/2 has.
const CONNECTION_WINDOW: u32 = i32::MAX as u32;
/// How large the frames of answers may be.
const FRAME: u32 = 1 << 20;
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Connections that calls are spread over.
#[derive(Debug)]
pub(super) struct Connections {
    endpoint: Endpoint,
    reach: Reach,
    slots: Vec<Arc<Slot>>,
}

#[derive(Default)]
struct Slot {
    channel: OnceLock<Channel>,
    calls: AtomicUsize,
}

/// A connection that is used for one call; dropped when the call is over.
#[derive(Debug)]
pub(super) struct Lease {
    pub channel: Channel,
    slot: Arc<Slot>,
}

impl Connections {
    /// `number` connections to `endpoint`, none of them made yet.
    fn new(endpoint: Endpoint, reach: Reach, number: u32) -> Self {
        Self { endpoint, reach, slots: (0..number.max(1)).map(|_| Arc::default()).collect() }
    }

    /// For answers that are read at once, and for prediction streams.
    ///
    /// # Errors
    /// `unavailable`: a certificate or key cannot be used, naming its file. `denied`: the URL is a caller's, of a private address.
    pub fn open(config: &TritonConfig) -> Result<(Self, Self)> {
        let reach = if config.origin == Origin::Parameters { Reach::GlobalOnly } else { Reach::Anywhere };
        reach.check(&config.url)?;
        let endpoint = endpoint(config)?;
        let streams = endpoint.clone().initial_stream_window_size(STREAM_WINDOW);
        Ok((Self::new(endpoint, reach, config.link.connections), Self::new(streams, reach, config.link.connections)))
    }

    /// The connection with the fewest calls. Must be called within a tokio runtime, as everything that asks a server.
    ///
    /// # Errors
    /// `internal`: there is no connection, which cannot be.
    pub fn lease(&self) -> Result<Lease> {
        let fewest = self.slots.iter().min_by_key(|slot| slot.calls.load(Ordering::Relaxed));
        let slot = Arc::clone(fewest.ok_or_else(|| Error::internal("there is no connection to Triton"))?);
        Ok(self.lend(slot))
    }

    /// One lease of every connection.
    pub fn each(&self) -> impl Iterator<Item = Lease> {
        self.slots.iter().map(|slot| self.lend(Arc::clone(slot)))
    }

    fn lend(&self, slot: Arc<Slot>) -> Lease {
        slot.calls.fetch_add(1, Ordering::Relaxed);
        let channel = slot.channel.get_or_init(|| match self.reach {
            Reach::Anywhere => self.endpoint.connect_lazy(),
            Reach::GlobalOnly => self.endpoint.connect_with_connector_lazy(PublicConnector),
        });
        Lease { channel: channel.clone(), slot }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("calls", &self.calls).finish_non_exhaustive()
    }
}

fn endpoint(config: &TritonConfig) -> Result<Endpoint> {
    let wrong = |error: &dyn fmt::Display| Error::unavailable(format!("TRITON_URL in {} cannot be used: {error}", config.origin));
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
        .max_frame_size(FRAME);
    if config.url.scheme() != "https" {
        return Ok(endpoint);
    }
    let mut tls = match &config.ca {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("KEYNET_TRITON_CA", file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &config.identity {
        tls = tls.identity(Identity::from_pem(read("KEYNET_TRITON_CERT", certificate)?, read("KEYNET_TRITON_KEY", key)?));
    }
    endpoint.tls_config(tls).map_err(|error| {
        let files = "KEYNET_TRITON_CA, KEYNET_TRITON_CERT and KEYNET_TRITON_KEY name PEM files";
        Error::unavailable(format!("the certificates for Triton cannot be used: {}; {files}", chain(&error)))
    })
}

fn read(name: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Error::unavailable(format!("{name}: cannot read {}: {error}", file.display())))
}

/// An error with what caused it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        source = error.source();
    }
    told
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
