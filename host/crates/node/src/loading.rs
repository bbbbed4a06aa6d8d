//! Components of actions: obtained when an action is deployed, loaded when it first runs, and kept
//! loaded while they are used.
//!
//! The same component is compiled once for all namespaces, and its code is mapped once. What an
//! action may do is resolved for each namespace.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keynet_artifact::CapabilityRequest;
use keynet_base::apart::apart;
use keynet_base::digest::Digest;
use keynet_base::scheduling;
use keynet_host::code::pulling::{self, PullError};
use keynet_host::code::{self, Arrived, CodeError, WrongMain};
use keynet_host::policy::Grants;
use keynet_host::{Action as LoadedAction, ActionError, Compiled, Sandbox};
use tokio::sync::OnceCell;

use crate::catalog::{Catalog, CatalogError, Code};
use crate::entities::{Action, Limits};
use crate::fairness::for_long;
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
    /// The namespace requires a signature since the action was deployed, as code.
    #[error(
        "this namespace now runs only components that one of its keys signed, and this action was \
            deployed as code, which has no signature: `keynet-inference push --sign` the \
            component, and deploy it again by its reference"
    )]
    NotSigned,
    /// The namespace requires a signature since the action was deployed, and none can be verified.
    #[error(
        "this namespace now runs only components that one of its keys signed, and this action's \
            signature cannot be verified: {0}; `keynet-inference push --sign` the component, and \
            deploy it again by its reference"
    )]
    NotVerified(PullError),
    /// The reference of an action names another component than the one that was deployed.
    #[error(
        "this namespace now runs only components that one of its keys signed, and the action's \
            reference names another component than the one that was deployed: deploy it again"
    )]
    Moved,
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
    #[error(transparent)]
    Main(#[from] WrongMain),
    /// The database cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The action was removed while it was being loaded.
    #[error("the action was removed")]
    Removed,
    /// The action was given another component while it waited to be loaded.
    #[error("the action was replaced by another component meanwhile: invoke it again")]
    Replaced,
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
    /// The action and its version, if its capability request is beside the component: another action
    /// of the same component may have another one.
    only: Option<String>,
}

impl Key {
    fn new(
        namespace: &Namespace,
        generation: u64,
        digest: String,
        action: &Action,
        request_beside: bool,
    ) -> Self {
        let Limits { memory, logs, .. } = action.limits;
        let only = || format!("{} {} {}", action.path(), action.version, action.updated);
        let only = request_beside.then(only);
        Self { namespace: Arc::clone(&namespace.name), generation, digest, memory, logs, only }
    }
}

#[derive(Default)]
struct Entry {
    /// Loaded once, however many activations wait for it.
    action: Arc<OnceCell<Arc<LoadedAction>>>,
    used: u64,
}

impl Entry {
    /// Returns the size of its compiled code in bytes; 0 while it is being loaded.
    fn bytes(&self) -> u64 {
        self.action.get().map_or(0, |action| action.code_bytes())
    }
}

/// Limits of what stays loaded.
#[derive(Debug, Clone, Copy)]
pub struct LoadedLimits {
    /// Number of actions.
    pub actions: usize,
    /// Compiled code in bytes; that of a component counts for each namespace that loaded it.
    pub code: u64,
}

/// Actions that are loaded.
pub struct Loader {
    sandbox: Arc<Sandbox>,
    catalog: Catalog,
    loaded: Mutex<HashMap<Key, Entry>>,
    most: LoadedLimits,
    clock: AtomicU64,
}

/// A component that can be deployed.
pub struct Deployable {
    /// Code to store.
    pub code: Code,
    /// Digest of the component.
    pub digest: String,
    /// Fingerprint of the key that signed it; `None` if none was required.
    pub signer: Option<String>,
    /// `true` if its capability request is beside the component.
    pub request_beside: bool,
}

impl Loader {
    /// Creates a loader that keeps at most `most` loaded.
    pub fn new(sandbox: Arc<Sandbox>, catalog: Catalog, most: LoadedLimits) -> Self {
        let (loaded, clock) = (Mutex::default(), AtomicU64::new(0));
        Self { sandbox, catalog, loaded, most, clock }
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

    /// Obtains and checks the component of the action `action` that is being deployed: its code is decoded or
    /// pulled, its signature verified, and it is compiled and loaded under the namespace's policy.
    ///
    /// # Errors
    /// The component cannot be used, or requests what the policy does not grant.
    pub async fn deployable(
        &self,
        namespace: &Namespace,
        text: String,
        main: Option<&str>,
        action: &Action,
    ) -> Result<Deployable, LoadingError> {
        let settings = namespace.settings();
        let Obtained { component, code, signer } = obtain(text, &settings).await?;
        let _loading = namespace.loading.lock().await;
        let request_beside = component.request.is_some();
        // It hashes, and the component runs to describe itself.
        let loading = for_long(async {
            let digest = Digest::of(&component.bytes);
            let generation = settings.generation;
            let key = Key::new(namespace, generation, digest.to_string(), action, request_beside);
            let loaded = self.load(digest, &settings, action.limits, component).await?;
            Ok::<_, LoadingError>((key, loaded))
        });
        let (key, loaded) = loading.await?;
        check_grants(&loaded)?;
        code::check_main(main, &loaded.description().name)?;
        let entry = Entry { action: Arc::new(OnceCell::new_with(Some(loaded))), used: self.tick() };
        let digest = key.digest.clone();
        self.keep(key, entry);
        Ok(Deployable { code, digest, signer, request_beside })
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
        if !settings.accepts_signer(action.signer.as_deref()) {
            // Boxed, as is loading, so that the futures of activations do not contain its state.
            Box::pin(self.check_signature(namespace, &settings, action)).await?;
        }
        let generation = settings.generation;
        let key = Key::new(namespace, generation, digest, action, action.request_beside);
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
            let loading = for_long(async {
                let digest = Digest::of(&component.bytes);
                // What is loaded under a digest is shared with other namespaces.
                if digest.to_string() != key.digest {
                    return Err(LoadingError::Replaced);
                }
                self.load(digest, &settings, action.limits, component).await
            });
            loading.await
        });
        let loaded = Box::pin(loading).await.cloned();
        if loaded.is_err() {
            self.loaded().remove(&key);
        } else {
            self.thin_out(&key); // its size is known now
        }
        loaded
    }

    /// Checks that one of the namespace's keys signed a stored action, which was deployed when none
    /// or others were required. What is verified in the registry is stored.
    async fn check_signature(
        &self,
        namespace: &Namespace,
        settings: &NamespaceSettings,
        action: &Arc<Action>,
    ) -> Result<(), LoadingError> {
        let NamespaceSettings { registry, allow_tags, signers, .. } = settings;
        let _loading = namespace.loading.lock().await;
        let code = self.catalog.code(action).await?.ok_or(LoadingError::Removed)?;
        if code.pulled.is_none() {
            return Err(LoadingError::NotSigned);
        }
        let (_, arrived) = decoded(code.text).await?;
        let Arrived::Reference(reference) = arrived else { return Err(LoadingError::NotSigned) };
        let pulled = pulling::pull_signed(&reference, registry, *allow_tags, signers).await;
        let pulled = pulled.map_err(LoadingError::NotVerified)?;
        if action.digest.as_ref() != Some(&Digest::of(&pulled.bytes).to_string()) {
            return Err(LoadingError::Moved);
        }
        if let Some(signer) = pulled.signer {
            self.catalog.set_signer(action, signer).await?;
        }
        Ok(())
    }

    /// Loads a component, or shares the code of one that another namespace has loaded.
    async fn load(
        &self,
        digest: Digest,
        settings: &NamespaceSettings,
        limits: Limits,
        component: Component,
    ) -> Result<Arc<LoadedAction>, LoadingError> {
        let tenant = settings.tenant(limits);
        // A request beside the component is a part of this action only.
        if component.request.is_none()
            && let Some(same) = self.same(&digest)
        {
            return Ok(Arc::new(same.for_tenant(&tenant)));
        }
        let (sandbox, owner) = (Arc::clone(&self.sandbox), tenant.owner.clone());
        let Component { bytes, request } = component;
        let found = Compiled::find(&sandbox, &bytes, digest, request.clone(), owner.as_ref());
        let compiled = match found {
            Some(compiled) => compiled,
            // Others wait for its place to compile, too.
            None => {
                let compiling = apart(async move {
                    Compiled::compile(&sandbox, &bytes, digest, request, owner.as_ref()).await
                });
                compiling.await?
            }
        };
        let sandbox = Arc::clone(&self.sandbox);
        let loaded = LoadedAction::describe(sandbox, &tenant, compiled, None).await?;
        Ok(Arc::new(loaded))
    }

    /// Returns a loaded action of the same component.
    fn same(&self, digest: &Digest) -> Option<Arc<LoadedAction>> {
        let loaded = self.loaded();
        let actions = loaded.values().filter_map(|entry| entry.action.get());
        let mut same = actions.filter(|action| action.digest() == digest);
        same.find(|action| action.has_own_request()).cloned()
    }

    /// Adds an entry, and returns the cell of the entry that is kept for the key.
    fn keep(&self, key: Key, entry: Entry) -> Arc<OnceCell<Arc<LoadedAction>>> {
        let cell = {
            let mut loaded = self.loaded();
            if entry.action.initialized() {
                loaded.insert(key.clone(), Entry { action: Arc::clone(&entry.action), ..entry });
            }
            Arc::clone(&loaded.entry(key.clone()).or_insert(entry).action)
        };
        self.thin_out(&key);
        cell
    }

    /// Removes entries while there are too many, or their code is too large: the namespace with the
    /// most loses the one that it used longest ago. `newest` stays.
    fn thin_out(&self, newest: &Key) {
        let mut removed = Vec::new();
        let mut loaded = self.loaded();
        loop {
            let mut parts: HashMap<&str, (usize, u64)> = HashMap::new();
            for (key, entry) in loaded.iter() {
                let (count, bytes) = parts.entry(&key.namespace).or_default();
                *count += 1;
                *bytes = bytes.saturating_add(entry.bytes());
            }
            let is_too_many = loaded.len() > self.most.actions.max(1);
            let bytes = parts.values().fold(0_u64, |sum, part| sum.saturating_add(part.1));
            if !is_too_many && bytes <= self.most.code {
                break;
            }
            let part = |key: &Key| {
                let (count, bytes) = parts.get(&*key.namespace).copied().unwrap_or_default();
                if is_too_many { count as u64 } else { bytes }
            };
            let others = loaded.iter().filter(|(key, _)| *key != newest);
            let last = others.min_by_key(|(key, entry)| (u64::MAX - part(key), entry.used));
            let Some(last) = last.map(|(key, _)| key.clone()) else { break };
            removed.extend(loaded.remove(&last));
        }
        drop(loaded);
        drop(removed); // unmaps code, without the lock
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// Component of a request, and what is stored of it.
struct Obtained {
    component: Component,
    code: Code,
    signer: Option<String>,
}

/// Decodes the code of a request, or pulls the component that it refers to.
async fn obtain(text: String, settings: &NamespaceSettings) -> Result<Obtained, LoadingError> {
    let (text, arrived) = decoded(text).await?;
    match arrived {
        Arrived::Component { .. } if !settings.signers.is_empty() => Err(LoadingError::Unsigned),
        Arrived::Component { bytes, request } => {
            let component = Component { bytes, request };
            Ok(Obtained { component, code: Code { text, pulled: None }, signer: None })
        }
        Arrived::Reference(reference) => {
            let NamespaceSettings { registry, allow_tags, signers, .. } = settings;
            let pulled = pulling::pull_signed(&reference, registry, *allow_tags, signers).await?;
            let component = Component { bytes: pulled.bytes.clone(), request: None };
            let code = Code { text, pulled: Some(pulled.bytes) };
            Ok(Obtained { component, code, signer: pulled.signer })
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
    let read = move || {
        let arrived = code::read(&text);
        arrived.map(|arrived| (text, arrived))
    };
    let decoding = tokio::task::spawn_blocking(move || scheduling::in_background(read));
    Ok(decoding.await.map_err(|_| CatalogError::Stopped)??)
}

fn check_grants(action: &LoadedAction) -> Result<(), LoadingError> {
    let grants = action.grants();
    let mut denied: Vec<String> = grants
        .kinds()
        .into_iter()
        .filter_map(|kind| {
            let denied = kind.granted.denied();
            let names: Vec<_> = denied.iter().map(|name| format!("{name:?}")).collect();
            (!names.is_empty()).then(|| format!("{} {}", kind.key, names.join(", ")))
        })
        .collect();
    if grants.lacks_api_key() {
        denied.push(Grants::API_KEY.to_owned());
    }
    if denied.is_empty() { Ok(()) } else { Err(LoadingError::NotGranted(denied)) }
}
