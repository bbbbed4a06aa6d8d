//! Namespaces while the node runs: their keys, policies, backends and quotas.
//!
//! [`Tenants`] is the state of the current `node.toml`; [`Tenants::replace`] installs another one
//! while activations run. A [`Namespace`] keeps its counters from one configuration to the next.

mod key;
mod requests;
mod settings;

pub use key::KeyDigest;
pub use requests::{RequestPlace, TooManyRequests};
pub use settings::{NamespaceError, NamespaceSettings};

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::Error;
use keynet_base::offload::LargeWork;
use keynet_host::Sandbox;
use keynet_host::engine::CodeOwner;
use keynet_host::http::IntakeShare;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::{NamespaceConfig, Quotas};
use crate::fairness::{Fairness, Lane, Rate, Share};
use key::KeyHasher;
use requests::Requests;
use settings::Shared;

/// Bytes that need no reservation.
const SMALL: usize = 64 << 10;

/// Share of a lane that is no namespace's.
const NO_ACTIVATIONS: Share = Share { weight: 1, concurrent: 0, queue: 0 };

/// A namespace: the tenant of the node that owns actions and runs activations.
pub struct Namespace {
    /// Name.
    pub name: Arc<str>,
    /// Its share of slots and of processor time.
    pub lane: Arc<Lane>,
    /// Activations per minute.
    pub rate: Rate,
    changing: Changing,
    /// Places of its requests that read a database, of whose readers there are few.
    pub reading: Semaphore,
    /// Lock of one load of a component at a time: compiling takes one of the few places that all
    /// namespaces share, and code that is read takes memory.
    pub loading: tokio::sync::Mutex<()>,
    /// Memory of the bodies of its requests.
    pub bodies: IntakeShare,
    /// Lock of one change of the pictures that its page stored, at a time.
    pub pictures: tokio::sync::Mutex<()>,
    /// Bytes of logs of its running activations.
    pub held_logs: AtomicU64,
    /// Number of its requests that are being answered.
    requests: AtomicUsize,
    settings: RwLock<Arc<NamespaceSettings>>,
}

/// Changes of a namespace's actions and packages.
struct Changing {
    /// Those that may wait.
    places: Semaphore,
    /// The one that is made.
    one: tokio::sync::Mutex<()>,
}

/// A change that is being made. Others of the namespace wait for its end.
pub struct Change<'a> {
    _place: SemaphorePermit<'a>,
    _turn: tokio::sync::MutexGuard<'a, ()>,
}

impl Namespace {
    /// Number of changes of its actions and packages that may be under way: one is made, the others
    /// wait.
    pub const CHANGES: usize = 64;

    /// Number of its requests that may read a database at a time.
    const READING: usize = 2;

    /// Begins a change, after those that others began, so that it is checked against what it replaces;
    /// `None` if there are too many.
    pub async fn change(&self) -> Option<Change<'_>> {
        let place = self.changing.places.try_acquire().ok()?;
        Some(Change { _place: place, _turn: self.changing.one.lock().await })
    }

    /// Runs `work` as large work of the namespace; `None` if the runtime is being shut down.
    pub async fn offload<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.settings().shared.large.run(bytes, None, work).await
    }

    /// Returns the current settings.
    pub fn settings(&self) -> Arc<NamespaceSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reserves `bytes` of the memory of its activations for `what` that the node holds for it.
    /// Small things take none: their number is limited, and a namespace whose activations fill its
    /// memory can still read and invoke.
    ///
    /// # Errors
    /// The namespace's quota, or the process, has no room for them.
    pub fn reserve(&self, bytes: usize, what: &str) -> Result<Reservation, Error> {
        let bytes = if bytes <= SMALL { 0 } else { bytes as u64 };
        self.settings().shared.memory.reserve(bytes, what)
    }

    /// Returns the current quotas.
    pub fn quotas(&self) -> Quotas {
        self.settings().quotas.clone()
    }
}

/// The namespaces of the node.
pub struct Tenants {
    hasher: KeyHasher,
    current: RwLock<Arc<Current>>,
    /// Number of configurations that were installed.
    generation: AtomicU64,
    fairness: Fairness,
    /// Lane of connections before their first request.
    pub arrivals: Arc<Lane>,
    /// Lane of requests that belong to no namespace.
    pub strangers: Arc<Lane>,
    requests: Requests,
    sandbox: Arc<Sandbox>,
    /// Folder of the node's data, which has one folder for each namespace.
    folder: PathBuf,
}

#[derive(Default)]
struct Current {
    by_name: BTreeMap<String, Arc<Namespace>>,
    by_key: HashMap<KeyDigest, Arc<Namespace>>,
}

impl Tenants {
    /// Creates the namespaces of a node without any.
    pub fn new(
        sandbox: Arc<Sandbox>,
        fairness: Fairness,
        connections: usize,
        folder: &Path,
    ) -> Self {
        Self {
            hasher: KeyHasher::new(),
            current: RwLock::default(),
            generation: AtomicU64::new(0),
            arrivals: fairness.lane("(arrivals)", NO_ACTIVATIONS),
            strangers: fairness.lane("(strangers)", NO_ACTIVATIONS),
            requests: Requests::new(connections),
            fairness,
            sandbox,
            folder: folder.to_owned(),
        }
    }

    /// Installs the namespaces of a configuration. Running activations end under the settings that
    /// they started with. If one namespace cannot be used, nothing changes.
    ///
    /// # Errors
    /// A file of a namespace cannot be used, or two namespaces have the same key.
    pub fn replace(
        &self,
        namespaces: &BTreeMap<String, NamespaceConfig>,
    ) -> Result<(), NamespaceError> {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let previous = self.current();
        let mut read = Vec::new();
        let mut keys: HashMap<KeyDigest, &str> = HashMap::new();
        for (name, config) in namespaces {
            let folder = self.folder.join("namespaces").join(name);
            let kept = previous.by_name.get(name);
            let shared = Shared {
                memory: self.memory(kept, &config.quotas, namespaces.len() > 1),
                owner: kept.map_or_else(
                    || Arc::new(CodeOwner::new(name, config.weight)),
                    |namespace| Arc::clone(&namespace.settings().shared.owner),
                ),
                large: kept.map_or_else(LargeWork::of_one_owner, |namespace| {
                    namespace.settings().shared.large.clone()
                }),
            };
            shared.owner.set_weight(config.weight);
            let settings = NamespaceSettings::read(name, config, &folder, shared, generation)?;
            let key = self.hasher.digest(settings.key.expose().as_bytes());
            if let Some(other) = keys.insert(key, name) {
                let why = format!("it has the same key as {other:?}: each needs one of its own");
                return Err(NamespaceError::new(name, why));
            }
            read.push((name, config, settings, key));
        }
        self.fairness.set_leave_room(namespaces.len() > 1);
        self.requests.set_leave_room(namespaces.len() > 1);
        let mut current = Current::default();
        for (name, config, settings, key) in read {
            let namespace = match previous.by_name.get(name) {
                Some(namespace) => {
                    let mut held = namespace.settings.write();
                    **held.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut()) =
                        Arc::new(settings);
                    Arc::clone(namespace)
                }
                None => Arc::new(Namespace {
                    name: Arc::from(name.as_str()),
                    lane: self.fairness.lane(name, share(config)),
                    rate: Rate::per_minute(config.quotas.activations_per_minute),
                    changing: Changing {
                        places: Semaphore::new(Namespace::CHANGES),
                        one: tokio::sync::Mutex::default(),
                    },
                    reading: Semaphore::new(Namespace::READING),
                    requests: AtomicUsize::new(0),
                    loading: tokio::sync::Mutex::default(),
                    pictures: tokio::sync::Mutex::default(),
                    bodies: IntakeShare::default(),
                    held_logs: AtomicU64::new(0),
                    settings: RwLock::new(Arc::new(settings)),
                }),
            };
            namespace.lane.set_share(share(config));
            namespace.rate.set(config.quotas.activations_per_minute);
            current.by_name.insert(name.clone(), Arc::clone(&namespace));
            current.by_key.insert(key, namespace);
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        Ok(())
    }

    /// Returns the memory of a namespace: the budget that its running activations draw on, unless
    /// its quota, or whether there are other namespaces, has changed.
    fn memory(
        &self,
        namespace: Option<&Arc<Namespace>>,
        quotas: &Quotas,
        leaves_room: bool,
    ) -> MemoryBudget {
        let kept = namespace.map(|namespace| namespace.settings().shared.memory.clone());
        kept.filter(|it| it.limit() == quotas.memory && it.leaves_room() == leaves_room)
            .unwrap_or_else(|| self.sandbox.tenant_memory(quotas.memory, leaves_room))
    }

    /// Takes a place for a request of `namespace`, or of a caller without a key, until it was answered.
    ///
    /// # Errors
    /// The requests of the namespace have as many of the node's connections as they leave to others.
    pub fn request<'a>(
        &'a self,
        namespace: Option<&'a Namespace>,
    ) -> Result<RequestPlace<'a>, TooManyRequests> {
        self.requests.place(namespace.map(|namespace| &namespace.requests))
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the namespace that `key`, the text `UUID:SECRET`, belongs to. Takes the same time
    /// whatever the key has in common with another: only a keyed digest of it is looked up.
    pub fn with_key(&self, key: &[u8]) -> Option<Arc<Namespace>> {
        let digest = self.hasher.digest(key);
        self.current().by_key.get(&digest).cloned()
    }

    /// Returns a namespace by its name.
    pub fn named(&self, name: &str) -> Option<Arc<Namespace>> {
        self.current().by_name.get(name).cloned()
    }

    /// Returns all namespaces.
    pub fn all(&self) -> Vec<Arc<Namespace>> {
        self.current().by_name.values().cloned().collect()
    }
}

fn share(config: &NamespaceConfig) -> Share {
    let Quotas { concurrent, queue, .. } = config.quotas;
    Share { weight: config.weight, concurrent, queue }
}
