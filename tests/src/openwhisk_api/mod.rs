//! Stand-in for OpenWhisk: the part of its REST API that `keynet-inference` and `wsk` need, as
//! strict as its controller, and an invoker that drives the real `keynet-runtime`.
//!
//! Paths, bodies, limits, statuses and texts are those of apache/openwhisk's `core/controller` and
//! `common` (the file is named where a rule is not obvious). Where OpenWhisk is lenient and that
//! could hide a mistake of this project, such as an unknown field, the stand-in rejects the
//! request. `tests/openwhisk_client.rs` tests it with a client that was written for the real one.

mod actions;
mod activations;
mod answer;
mod body;
mod container;
mod invoke;
mod packages;
mod request;
mod routes;
mod setups;
mod web;

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use answer::Answer;
use body::Action;
use container::Pool;
pub use setups::{certificate, runtime};

/// Key of [`OpenWhisk::new`]'s namespace `guest`: a UUID and 64 characters, the only form that
/// OpenWhisk accepts.
pub const KEY: &str = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP";

/// Image for which the stand-in runs `keynet-runtime`.
pub const IMAGE: &str = "keynet/action-wasm-component:1.0.0";

/// Function that returns the command to start a container which listens on the given port.
pub type StartContainer = Box<dyn Fn(u16) -> Command + Send + Sync>;

/// Configuration of an OpenWhisk.
pub struct Setup {
    /// True if the runtimes manifest has the kind `wasm:component`.
    pub kind: bool,
    /// Program of [`IMAGE`] and of the kind.
    pub container: Option<StartContainer>,
    /// Time limit of a blocking invocation (60 s in `application.conf`).
    pub max_wait: Duration,
    /// Largest number of activations per minute and namespace (60 by default).
    pub per_minute: usize,
    /// Largest number of concurrent activations in one container (`concurrency-limit` is 1 by
    /// default).
    pub max_concurrency: u64,
    /// Smallest memory of an action, in MB (128 by default).
    pub min_memory: u64,
    /// Largest memory of an action, in MB (512 by default).
    pub max_memory: u64,
    /// TLS configuration with a certificate and its key; `None` for plain HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            kind: false,
            container: None,
            max_wait: Duration::from_secs(60),
            per_minute: 1000,
            max_concurrency: 1,
            min_memory: 128,
            max_memory: 512,
            tls: None,
        }
    }
}

/// Running OpenWhisk with the namespaces `guest` and `other`; it ends when dropped, with its
/// containers.
pub struct OpenWhisk {
    api: Arc<Api>,
    address: String,
    stop: Arc<AtomicBool>,
}

/// Entities and counters of the server.
#[derive(Default)]
struct Store {
    actions: BTreeMap<(String, String), Action>,
    packages: BTreeMap<String, Value>,
    /// Activation records, newest last.
    activations: Vec<Value>,
    /// Number of invocations in this minute.
    invocations: usize,
    /// Injected responses, returned before any other.
    faults: VecDeque<Answer>,
    seen: Vec<Seen>,
}

/// Request that was received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method and target.
    pub line: String,
    /// Body as JSON; null if it is not JSON.
    pub body: Value,
}

struct Api {
    setup: Setup,
    host: String,
    store: Mutex<Store>,
    pool: Pool,
    requests: AtomicU64,
}

impl Api {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("the store")
    }

    /// Returns a new transaction id.
    fn transaction(&self) -> String {
        format!(
            "{:032x}",
            u128::from(self.requests.fetch_add(1, Ordering::Relaxed)) << 64 | u128::from(now_ms())
        )
    }
}

impl OpenWhisk {
    /// Starts an OpenWhisk that cannot run actions.
    pub fn new() -> Self {
        Self::start(Setup::default())
    }

    /// Starts an OpenWhisk on a free port of this machine.
    pub fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let scheme = if setup.tls.is_some() { "https" } else { "http" };
        let host = format!("{scheme}://{address}");
        let api = Arc::new(Api {
            pool: Pool::default(),
            host,
            store: Mutex::default(),
            requests: AtomicU64::new(1),
            setup,
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (served, stopped) = (Arc::clone(&api), Arc::clone(&stop));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let api = Arc::clone(&served);
                thread::spawn(move || serve(&api, stream));
            }
        });
        Self { api, address, stop }
    }

    /// Returns the value for `APIHOST`.
    pub fn host(&self) -> &str {
        &self.api.host
    }

    /// Returns `address:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Responds to the next request with this status and body.
    pub fn fail_next(&self, status: u16, body: &Value) {
        self.api.store().faults.push_back(Answer::json(status, body));
    }

    /// Returns the requests in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.api.store().seen.clone()
    }

    /// Returns the last request whose line begins with `line`.
    pub fn last(&self, line: &str) -> Seen {
        let seen = self.seen();
        seen.iter()
            .rev()
            .find(|seen| seen.line.starts_with(line))
            .cloned()
            .unwrap_or_else(|| panic!("no {line} in {seen:#?}"))
    }

    /// Returns an action of `guest` as it is stored, with its code.
    pub fn stored(&self, package: &str, name: &str) -> Value {
        let store = self.api.store();
        store
            .actions
            .get(&(package.to_owned(), name.to_owned()))
            .map_or(Value::Null, |action| action.json(true))
    }
}

impl Default for OpenWhisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for OpenWhisk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address); // wakes the listener
        self.api.pool.end();
    }
}

fn serve(api: &Arc<Api>, stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
    match &api.setup.tls {
        None => exchange(api, stream),
        Some(config) => {
            let Ok(connection) = rustls::ServerConnection::new(Arc::clone(config)) else { return };
            exchange(api, rustls::StreamOwned::new(connection, stream));
        }
    }
}

fn exchange(api: &Arc<Api>, mut stream: impl Read + Write) {
    let Some(request) = request::read(&mut stream) else { return };
    let transaction = api.transaction();
    let fault = {
        let mut store = api.store();
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        store.seen.push(Seen { line: format!("{} {}", request.method, request.target), body });
        store.faults.pop_front()
    };
    let answer = fault.unwrap_or_else(|| {
        routes::route(api, &request, &transaction)
            .unwrap_or_else(|rejected| rejected.into_answer(&transaction))
    });
    let _ = stream.write_all(&answer.bytes(&transaction)).and_then(|()| stream.flush());
}

/// Returns the milliseconds since 1970.
fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis())
        .expect("some years")
}

/// Handles `GET /`: the controller's description of itself (Controller.scala `info`).
fn info(api: &Api) -> Value {
    let mut runtimes = json!({
        "nodejs": [{ "kind": "nodejs:20", "image": "openwhisk/action-nodejs-v20:nightly", "deprecated": false, "default": true, "attached": true, "requireMain": false }],
    });
    if api.setup.kind {
        runtimes["wasm"] = json!([{ "kind": "wasm:component", "image": IMAGE, "deprecated": false, "default": true, "attached": true, "requireMain": false }]);
    }
    let (least, most) = (api.setup.min_memory << 20, api.setup.max_memory << 20);
    json!({
        "description": "OpenWhisk",
        "api_paths": ["/api/v1"],
        "limits": {
            "actions_per_minute": api.setup.per_minute, "triggers_per_minute": 60, "concurrent_actions": 30, "sequence_length": 50,
            "default_min_action_duration": 100, "default_max_action_duration": 300_000, "min_action_duration": 100, "max_action_duration": 300_000,
            "default_min_action_memory": least, "default_max_action_memory": most, "min_action_memory": least, "max_action_memory": most,
            "default_min_action_logs": 0, "default_max_action_logs": 10 << 20, "min_action_logs": 0, "max_action_logs": 10 << 20,
        },
        "runtimes": runtimes,
        "support": { "github": "https://github.com/apache/openwhisk/issues", "slack": "http://slack.openwhisk.org" },
    })
}
