//! Components of actions: obtained when an action is deployed, loaded when it first runs, and kept
//! loaded while they are used.
//!
//! The same component is compiled once for all namespaces, and its code is mapped once. What an
//! action may do is resolved for each namespace.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keynet_artifact::CapabilityRequest;
use keynet_base::digest::Digest;
use keynet_host::code::pulling::{self, PullError};
use keynet_host::code::{self, Arrived, CodeError};
use keynet_host::{Action as LoadedAction, ActionError, LoadOptions, Sandbox};
use tokio::sync::OnceCell;

use crate::catalog::{Catalog, CatalogError, Code};
use crate::entities::{Action, Limits};
use crate::tenants::{Namespace, NamespaceSettings};

/// Component of an action with the capability request beside it.
struct Component {
    bytes: Vec<u8>,
    request: Option<CapabilityRequest>,
}

/// Reason why the component of an action cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadingError {
    /// The code is no component and no reference.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code cannot be pulled, or is not signed.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The component is no action, or cannot be compiled.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// The namespace accepts signed components only.
    #[error(
        "this namespace runs only components that are signed, which code in a request cannot be: \
            push the component to a registry, sign it, and deploy it by its reference"
    )]
    Unsigned,
    /// The namespace accepts signed components only, and the action is of another namespace.
    #[error(
        "this namespace runs only components that its own keys signed, and the action belongs to \
            another namespace, which deploys what it wants: deploy the action in this namespace"
    )]
    UnsignedOfOther,
    /// The component requests what the namespace's policy does not grant.
    #[error("{}", not_granted(.0))]
    NotGranted(Vec<String>),
    /// Its function has another name.
    #[error("the action's function is `{is}`, and `{asked}` was asked for: leave `main` out")]
    Main {
        /// Name that was asked for.
        asked: String,
        /// Name of the function.
        is: String,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The action was removed while it was being loaded.
    #[error("the action was removed")]
    Removed,
}

fn not_granted(names: &[String]) -> String {
    format!(
        "the policy of this namespace does not grant what the action's keynet.toml requests: {}",
        names.join("; ")
    )
}

/// Identity of a loaded action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    namespace: Arc<str>,
    generation: u64,
    digest: String,
    memory: u64,
    logs: u64,
}

impl Key {
    fn new(namespace: &Namespace, generation: u64, digest: String, limits: Limits) -> Self {
        let (memory, logs) = (limits.memory, limits.logs);
        Self { namespace: Arc::clone(&namespace.name), generation, digest, memory, logs }
    }
}

#[derive(Default)]
struct Entry {
    /// Loaded once, however many activations wait for it.
    action: Arc<OnceCell<Arc<LoadedAction>>>,
    used: u64,
}

/// Actions that are loaded.
pub struct Loader {
    sandbox: Arc<Sandbox>,
    catalog: Catalog,
    loaded: Mutex<HashMap<Key, Entry>>,
    most: usize,
    clock: AtomicU64,
}

/// A component that can be deployed.
pub struct Deployable {
    /// Code to store.
    pub code: Code,
    /// Digest of the component.
    pub digest: String,
}

impl Loader {
    /// Creates a loader that keeps at most `most` actions.
    pub fn new(sandbox: Arc<Sandbox>, catalog: Catalog, most: usize) -> Self {
        let (loaded, clock) = (Mutex::default(), AtomicU64::new(0));
        Self { sandbox, catalog, loaded, most: most.max(1), clock }
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the sandbox that they run in.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Returns the number of loaded actions.
    pub fn count(&self) -> usize {
        self.loaded().len()
    }

    /// Obtains and checks the component of an action that is being deployed: its code is decoded or
    /// pulled, its signature verified, and it is compiled and loaded under the namespace's policy.
    ///
    /// # Errors
    /// The component cannot be used, or requests what the policy does not grant.
    pub async fn deployable(
        &self,
        namespace: &Namespace,
        text: String,
        main: Option<&str>,
        limits: Limits,
    ) -> Result<Deployable, LoadingError> {
        let settings = namespace.settings();
        let (component, code) = obtain(text, &settings).await?;
        let _loading = namespace.loading.lock().await;
        // In the namespace's turns: it hashes, and the component runs to describe itself.
        let loading = namespace.lane.compute(async {
            let digest = Digest::of(&component.bytes).to_string();
            let key = Key::new(namespace, settings.generation, digest.clone(), limits);
            let loaded = self.load(&key, &settings, limits, component).await?;
            Ok::<_, LoadingError>((digest, key, loaded))
        });
        let (digest, key, loaded) = loading.await?;
        check_grants(&loaded)?;
        check_main(main, &loaded.description().name)?;
        let entry = Entry { action: Arc::new(OnceCell::new_with(Some(loaded))), used: self.tick() };
        self.keep(key, entry);
        Ok(Deployable { code, digest })
    }

    /// Returns a loaded action; loads it if it is not.
    ///
    /// # Errors
    /// The component cannot be loaded, as after an update of this program that refuses it.
    pub async fn get(
        &self,
        namespace: &Namespace,
        action: &Arc<Action>,
    ) -> Result<Arc<LoadedAction>, LoadingError> {
        let digest = action.digest.clone().ok_or(LoadingError::Removed)?;
        let settings = namespace.settings();
        if !settings.signers.is_empty() && action.namespace != *namespace.name {
            return Err(LoadingError::UnsignedOfOther);
        }
        let key = Key::new(namespace, settings.generation, digest, action.limits);
        let cell = {
            let mut loaded = self.loaded();
            loaded.get_mut(&key).map(|entry| {
                entry.used = self.tick();
                Arc::clone(&entry.action)
            })
        };
        let cell = cell.unwrap_or_else(|| {
            let entry = Entry { action: Arc::default(), used: self.tick() };
            self.keep(key.clone(), entry)
        });
        if let Some(loaded) = cell.get() {
            return Ok(Arc::clone(loaded));
        }
        let loading = cell.get_or_try_init(async || {
            let _loading = namespace.loading.lock().await;
            let code = self.catalog.code(action).await?.ok_or(LoadingError::Removed)?;
            let component = stored(code).await?;
            self.load(&key, &settings, action.limits, component).await
        });
        let loaded = loading.await.cloned();
        if loaded.is_err() {
            self.loaded().remove(&key);
        }
        loaded
    }

    /// Loads a component, or shares the code of one that another namespace has loaded.
    async fn load(
        &self,
        key: &Key,
        settings: &NamespaceSettings,
        limits: Limits,
        component: Component,
    ) -> Result<Arc<LoadedAction>, LoadingError> {
        let tenant = settings.tenant(limits);
        // A request beside the component is a part of this action only.
        if component.request.is_none()
            && let Some(same) = self.same(&key.digest)
        {
            return Ok(Arc::new(same.for_tenant(&tenant)));
        }
        let sandbox = Arc::clone(&self.sandbox);
        let options = LoadOptions { request: component.request, logs: None };
        Ok(Arc::new(LoadedAction::load(sandbox, &tenant, &component.bytes, options).await?))
    }

    /// Returns a loaded action of the same component.
    fn same(&self, digest: &str) -> Option<Arc<LoadedAction>> {
        let loaded = self.loaded();
        let same = loaded.iter().filter(|(key, _)| key.digest == digest);
        same.filter_map(|(_, entry)| entry.action.get())
            .find(|action| action.has_own_request())
            .cloned()
    }

    /// Adds an entry. If there are too many, the namespace with the most loses the one that it used
    /// longest ago. Returns the cell of the entry that is kept for the key.
    fn keep(&self, key: Key, entry: Entry) -> Arc<OnceCell<Arc<LoadedAction>>> {
        let mut loaded = self.loaded();
        if loaded.len() >= self.most && !loaded.contains_key(&key) {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            loaded.keys().for_each(|key| *counts.entry(&key.namespace).or_default() += 1);
            let count = |key: &Key| counts.get(&*key.namespace).copied().unwrap_or_default();
            let oldest = loaded.iter().min_by_key(|(key, entry)| (Reverse(count(key)), entry.used));
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                loaded.remove(&oldest);
            }
        }
        if entry.action.initialized() {
            loaded.insert(key.clone(), Entry { action: Arc::clone(&entry.action), ..entry });
        }
        Arc::clone(&loaded.entry(key).or_insert(entry).action)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// Decodes the code of a request, or pulls the component that it refers to.
async fn obtain(
    text: String,
    settings: &NamespaceSettings,
) -> Result<(Component, Code), LoadingError> {
    let (text, arrived) = decoded(text).await?;
    match arrived {
        Arrived::Component { .. } if !settings.signers.is_empty() => Err(LoadingError::Unsigned),
        Arrived::Component { bytes, request } => {
            Ok((Component { bytes, request }, Code { text, pulled: None }))
        }
        Arrived::Reference(reference) => {
            let NamespaceSettings { registry, allow_tags, signers, .. } = settings;
            let pulled = pulling::pull_signed(&reference, registry, *allow_tags, signers).await?;
            let component = Component { bytes: pulled.clone(), request: None };
            Ok((component, Code { text, pulled: Some(pulled) }))
        }
        Arrived::Nothing => Err(LoadingError::Removed),
    }
}

/// Returns the component of stored code.
async fn stored(code: Code) -> Result<Component, LoadingError> {
    if let Some(bytes) = code.pulled {
        return Ok(Component { bytes, request: None });
    }
    match decoded(code.text).await?.1 {
        Arrived::Component { bytes, request } => Ok(Component { bytes, request }),
        _ => Err(LoadingError::Removed),
    }
}

async fn decoded(text: String) -> Result<(String, Arrived), LoadingError> {
    let decoding = tokio::task::spawn_blocking(move || {
        let arrived = code::read(&text);
        arrived.map(|arrived| (text, arrived))
    });
    Ok(decoding.await.map_err(|_| CatalogError::Stopped)??)
}

fn check_grants(action: &LoadedAction) -> Result<(), LoadingError> {
    let grants = action.grants();
    let kinds = [
        ("models", &grants.models),
        ("storage.read", &grants.read),
        ("storage.write", &grants.write),
        ("http.hosts", &grants.hosts),
    ];
    let mut denied: Vec<String> = kinds
        .into_iter()
        .flat_map(|(kind, granted)| {
            let names: Vec<_> = granted.denied().iter().map(|name| format!("{name:?}")).collect();
            (!names.is_empty()).then(|| format!("{kind} {}", names.join(", ")))
        })
        .collect();
    if grants.api_key_requested && !grants.api_key {
        denied.push("api-key".to_owned());
    }
    if denied.is_empty() { Ok(()) } else { Err(LoadingError::NotGranted(denied)) }
}

/// Checks `main`; OpenWhisk's clients send `main` if the user named no function.
fn check_main(asked: Option<&str>, is: &str) -> Result<(), LoadingError> {
    match asked {
        Some(asked) if !asked.is_empty() && asked != "main" && asked != is => {
            Err(LoadingError::Main { asked: asked.chars().take(200).collect(), is: is.to_owned() })
        }
        _ => Ok(()),
    }
}
