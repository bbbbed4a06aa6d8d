//! The process: its runtime, its state, its port, and its signals.

mod backup;
mod developer;
mod reload;
mod upkeep;

pub use backup::{BackupError, backup};
pub use developer::{Developer, NewKeyError, new_key};

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keynet_base::config::{Config, ConfigError, TelemetryConfig};
use keynet_base::scheduling::Usual;
use keynet_host::http::{Drain, Intake, Server, StopSignals, connections, listen_at};
use keynet_host::telemetry::{MetricsError, TraceError, Tracer, serve_metrics};
use keynet_host::{Host, HostError, Sandbox};

use crate::api;
use crate::catalog::{Catalog, CatalogError};
use crate::config::{NodeConfig, NodeConfigError, ProcessLimits, RecordLimits};
use crate::fairness::Fairness;
use crate::invocation::interrupted;
use crate::loading::{LoadedLimits, Loader};
use crate::metrics::Metrics;
use crate::node::{Node, UnderWay};
use crate::records::{Records, RecordsError, Retention};
use crate::tenants::{NamespaceError, Tenants};

/// Smallest number of workers, so that connections and timers do not wait for the first long polls of
/// an activation. More workers than processors only wait for each other.
const MIN_WORKERS: usize = 2;

/// Smallest number of slots of the sandbox that activations leave to actions that describe themselves
/// when they are loaded, of which each namespace loads one at a time. A deployment does not wait for
/// the activations of other namespaces, nor for their actions that describe themselves.
const DESCRIBING: usize = 2;

/// Time that a span waits for others before it is sent to the collector.
const SPANS_WAIT: Duration = Duration::from_secs(1);

/// Time to send the last spans when the node is stopped.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Maximum number of blocking threads, for databases, code and embedded storage.
const MAX_BLOCKING: usize = 64;

/// Options of `serve`.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// `node.toml`; `None` for one namespace for the developer of this machine.
    pub config: Option<PathBuf>,
    /// Folder of the node's data.
    pub data: PathBuf,
    /// Address to listen on; `None` for that of the configuration.
    pub listen: Option<SocketAddr>,
}

/// A node that listens.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Its address.
    pub address: SocketAddr,
    /// Names of its namespaces.
    pub namespaces: Vec<String>,
    /// What its developer uses it with; `None` with a configuration.
    pub developer: Option<Developer>,
}

/// Reason why a node cannot serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] NodeConfigError),
    /// The environment of the process cannot be used.
    #[error(transparent)]
    Environment(#[from] ConfigError),
    /// A namespace cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// WebAssembly cannot run on this machine.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The database of actions cannot be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The database of activation records cannot be used.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The key of the developer's namespace cannot be created.
    #[error(transparent)]
    Key(#[from] NewKeyError),
    /// The folder of the data cannot be created.
    #[error("cannot create {}: {error}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Reason.
        error: io::Error,
    },
    /// The address cannot be used.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Reason.
        error: io::Error,
    },
    /// Metrics cannot be served.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// The operating system refuses threads or signal handlers.
    #[error("the node cannot start: {0}")]
    Start(io::Error),
}

/// Serves until the process is asked to stop by SIGTERM or SIGINT and the running activations have
/// ended. `ready` is called once, when the port is open.
///
/// # Errors
/// The node cannot start.
pub fn serve(options: &ServeOptions, ready: impl FnOnce(&Listening)) -> Result<(), ServeError> {
    let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let usual = Usual::of_this_thread();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(processors.max(MIN_WORKERS))
        .max_blocking_threads(MAX_BLOCKING)
        // A thread may be started by one for those who compute, which leaves a processor to others.
        .on_thread_start(move || usual.restore())
        .build()
        .map_err(ServeError::Start)?;
    let served = runtime.block_on(run(options, processors, ready));
    runtime.shutdown_background();
    served
}

async fn run(
    options: &ServeOptions,
    processors: usize,
    ready: impl FnOnce(&Listening),
) -> Result<(), ServeError> {
    let mut stop = StopSignals::catch().map_err(ServeError::Start)?;
    raise_descriptors();
    create_private(&options.data)
        .map_err(|error| ServeError::Data { path: options.data.clone(), error })?;
    let (config, developer) = match &options.config {
        Some(path) => (NodeConfig::read(path)?, None),
        None => {
            let (config, developer) = developer::configuration(&options.data)?;
            (config, Some(developer))
        }
    };
    let address = options.listen.unwrap_or(config.listen);
    let listener = listen_at(address).map_err(|error| ServeError::Listen { address, error })?;
    let address = listener.local_addr().unwrap_or(address);
    let telemetry = TelemetryConfig::from_environment()?;
    telemetry.hide_secrets();
    let tracer = telemetry.traces.as_ref().map(|traces| Tracer::start(traces, SPANS_WAIT));
    let tracer = tracer.transpose()?;
    let node = Arc::new(Node { tracer, ..create(&config, options, processors, address)? });
    reload::watch(&node, options.config.as_deref()).map_err(ServeError::Start)?;
    let namespaces = node.tenants.all();
    ready(&Listening {
        address,
        namespaces: namespaces.iter().map(|namespace| namespace.name.to_string()).collect(),
        developer,
    });
    if let Some(address) = config.metrics.or(telemetry.metrics) {
        let node = Arc::clone(&node);
        serve_metrics(address, move || node.metrics_text())?;
    }
    upkeep::start(&node);
    let server = Server { grace: config.process.grace, connections: config.process.connections };
    let arrivals = Arc::clone(&node.tenants.arrivals);
    let answering = Arc::clone(&node);
    let answer = move |request| {
        let node = Arc::clone(&answering);
        // In a box, since it is moved several times before it is polled.
        Box::pin(async move { api::answer(&node, request).await })
    };
    server
        .serve(listener, &node.drain, &mut stop, answer, |connection| arrivals.spawn(connection))
        .await;
    drained(&node, config.process.grace).await;
    if let Some(tracer) = &node.tracer {
        tracer.close(LAST_SPANS).await;
    }
    Ok(())
}

/// Waits for the activations that no caller waits for.
async fn drained(node: &Node, grace: Duration) {
    let until = tokio::time::Instant::now() + grace;
    while node.under_way.is_any() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.drain.cut_off();
    // Those that were cut off still store their records.
    let last = tokio::time::Instant::now() + Duration::from_secs(2);
    while node.under_way.is_any() && tokio::time::Instant::now() < last {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn create(
    config: &NodeConfig,
    options: &ServeOptions,
    processors: usize,
    address: SocketAddr,
) -> Result<Node, ServeError> {
    let sandbox = sandbox(config)?;
    let activations = sandbox.engine().activations() as usize;
    let describing = config.namespaces.len().clamp(DESCRIBING, (activations / 8).max(DESCRIBING));
    let slots = activations.saturating_sub(describing).max(1);
    let fairness = Fairness::new(slots, processors);
    let connections = connections(config.process.connections);
    let tenants = Tenants::new(Arc::clone(&sandbox), fairness, connections, &options.data);
    tenants.replace(&config.namespaces)?;
    // First, since it refuses a folder that another process uses.
    let records = Records::open(&options.data, retention(&config.records), interrupted)?;
    let catalog = Catalog::open(&options.data)?;
    let ProcessLimits { loaded_actions, loaded_code, .. } = config.process;
    let loaded = LoadedLimits { actions: loaded_actions, code: loaded_code };
    Ok(Node {
        url: config.url.clone().unwrap_or_else(|| url(address)),
        loader: Loader::new(sandbox, catalog.clone(), loaded),
        tenants,
        catalog,
        records,
        drain: Drain::new(),
        intake: Intake::of_many(config.process.memory),
        metrics: Metrics::new(),
        tracer: None,
        under_way: UnderWay::default(),
    })
}

/// Returns the URL at which this machine, and the actions of the node, reach it.
fn url(listening: SocketAddr) -> String {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listening.port()))
}

/// Creates the sandbox of all namespaces. The environment of the process names the folders of
/// compiled code and of its key, and nothing that an action can reach.
fn sandbox(config: &NodeConfig) -> Result<Arc<Sandbox>, ServeError> {
    let mut host = Config::from_environment()?;
    host.concurrency = config.process.activations;
    host.process_memory = config.process.memory;
    host.cache_size = config.process.compiled;
    Ok(Host::shared_sandbox(&host)?)
}

fn retention(limits: &RecordLimits) -> Retention {
    Retention { age: limits.keep, bytes_per_namespace: limits.size }
}

/// Creates a folder that only this user can enter.
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Raises the limit of open descriptors to the highest that the system allows: each connection and
/// each loaded action takes one.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "the limit of open descriptors cannot be raised");
    }
}
