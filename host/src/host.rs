//! What lives as long as the process: the engine, the linker, the backends, the policy, the memory
//! of all activations.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use crate::activation::{self, State};
use crate::budget::MemoryBudget;
use crate::capabilities::Backend;
use crate::config::{Config, EmbeddedModelsConfig};
use crate::engine::{
    AotCache, CompileLimits, Compiler, Cpu, Engine, EngineOptions, Precompiler, memory_left,
};
use crate::error::Error;
use crate::inference::embedded::{self, EmbeddedInference, EmbeddedLimits};
use crate::inference::triton::TritonInference;
use crate::inference::{InferenceBackend, Registered};
use crate::model_registry::ModelRegistry;
use crate::object_storage::embedded::{DEFAULT_BUCKET, EmbeddedSettings, EmbeddedStore};
use crate::object_storage::s3::S3Store;
use crate::object_storage::{ObjectStorage, StorageLimits};
use crate::policy::{Policy, PolicyError};
use crate::state::StateDir;

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The operator's policy file.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// wasmtime does not work here.
    #[error("WebAssembly cannot run on this machine: {0:#}")]
    Engine(wasmtime::Error),
    /// The state folder.
    #[error(transparent)]
    State(#[from] Error),
}

/// Opened when the first action that imports `storage` is loaded: nobody else needs a folder.
type LazyStorage =
    LazyLock<Backend<ObjectStorage>, Box<dyn FnOnce() -> Backend<ObjectStorage> + Send + Sync>>;

/// Where models are asked and objects are kept, as one configuration says.
pub struct Backends {
    /// Where models are asked by their servers' names.
    models: Backend<dyn InferenceBackend>,
    /// The same, with the names of a registry in front of it.
    inference: Backend<dyn InferenceBackend>,
    storage: Arc<LazyStorage>,
    default_model: Option<Arc<str>>,
}

impl Backends {
    /// Those that `config` names.
    pub fn of(config: &Config) -> Self {
        let models = inference(config);
        Self {
            models: models.clone(),
            ..Self::new(config, registered(config, models), lazily(config))
        }
    }

    /// Those that `config` names. Of the servers that `own` names too, which are these backends',
    /// none is opened again.
    pub(crate) fn with_servers_of(&self, own: &Config, config: &Config) -> Self {
        let same_models =
            config.triton == own.triton && config.embedded_models == own.embedded_models;
        let models = if same_models { self.models.clone() } else { inference(config) };
        let same_registry = same_models && config.mlflow == own.mlflow;
        let same_storage = config.s3 == own.s3 && config.embedded_storage == own.embedded_storage;
        Self {
            inference: if same_registry {
                self.inference.clone()
            } else {
                registered(config, models.clone())
            },
            models,
            storage: if same_storage {
                Arc::clone(&self.storage)
            } else {
                Arc::new(lazily(config))
            },
            default_model: config.model_name.as_deref().map(Arc::from),
        }
    }

    fn new(
        config: &Config,
        inference: Backend<dyn InferenceBackend>,
        storage: LazyStorage,
    ) -> Self {
        let default_model = config.model_name.as_deref().map(Arc::from);
        Self { models: inference.clone(), inference, storage: Arc::new(storage), default_model }
    }

    /// Where models are asked, or why none can be.
    pub fn inference(&self) -> Backend<dyn InferenceBackend> {
        self.inference.clone()
    }

    /// Where objects are, or why there are none.
    pub fn storage(&self) -> Backend<ObjectStorage> {
        LazyLock::force(&self.storage).clone()
    }

    pub(crate) fn default_model(&self) -> Option<Arc<str>> {
        self.default_model.clone()
    }
}

/// Runs actions. One for a process.
pub struct Host {
    engine: Arc<Engine>,
    linker: Linker<State>,
    backends: Backends,
    policy: Policy,
    process_memory: MemoryBudget,
    slots: Semaphore,
}

impl Host {
    /// A host as `config` says, for a developer's own actions: without a policy file it grants what
    /// [`Policy::local`] does.
    ///
    /// # Errors
    /// The policy file, the state folder or the machine.
    pub fn new(config: &Config) -> Result<Self, HostError> {
        Self::under(config, Policy::local)
    }

    /// A host as `config` says, that grants what `unless_given` does where there is no policy file.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn under(config: &Config, unless_given: fn() -> Policy) -> Result<Self, HostError> {
        check_models(config)?;
        Self::as_configured(config, Backends::of(config), unless_given)
    }

    /// A host that loads actions and lets them describe themselves, without models and objects: it
    /// makes no folder for them.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn describing(config: &Config) -> Result<Self, HostError> {
        Self::describing_under(config, Policy::local)
    }

    /// As [`Host::describing`], granting what [`Host::under`] does.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn describing_under(
        config: &Config,
        unless_given: fn() -> Policy,
    ) -> Result<Self, HostError> {
        let none = || Error::unavailable("the action is only described");
        let backends = Backends::new(config, Err(none()), opened(Err(none())));
        Self::as_configured(&Config { concurrency: 1, ..config.clone() }, backends, unless_given)
    }

    /// A host on an engine that was made before its action's configuration was known, for the
    /// container. Without a policy file it grants what [`Policy::container`] does.
    ///
    /// # Errors
    /// The policy file or the machine.
    pub fn on(engine: Arc<Engine>, config: &Config) -> Result<Self, HostError> {
        check_models(config)?;
        Self::assemble(engine, Backends::of(config), policy(config, Policy::container)?, config)
    }

    fn as_configured(
        config: &Config,
        backends: Backends,
        unless_given: fn() -> Policy,
    ) -> Result<Self, HostError> {
        let policy = policy(config, unless_given)?;
        let engine = configured_engine(config, cache(config)?)?;
        Self::assemble(Arc::new(engine), backends, policy, config)
    }

    /// Compiles for `cpu` with the limits and the cache of `config`.
    ///
    /// # Errors
    /// The state folder, or a processor that this binary cannot compile for.
    pub fn precompiler(config: &Config, cpu: Cpu) -> Result<Precompiler, HostError> {
        Precompiler::new(cpu, compiler(config), cache(config)?).map_err(HostError::Engine)
    }

    /// A host of the given parts.
    ///
    /// # Errors
    /// The machine.
    pub fn with(
        engine: Engine,
        inference: Backend<dyn InferenceBackend>,
        storage: Backend<ObjectStorage>,
        policy: Policy,
        config: &Config,
    ) -> Result<Self, HostError> {
        Self::assemble(
            Arc::new(engine),
            Backends::new(config, inference, opened(storage)),
            policy,
            config,
        )
    }

    fn assemble(
        engine: Arc<Engine>,
        backends: Backends,
        policy: Policy,
        config: &Config,
    ) -> Result<Self, HostError> {
        // What the pool keeps was counted when its engine was made, perhaps for a higher limit.
        let kept = engine.resident().min(config.process_memory / 8);
        Ok(Self {
            linker: activation::linker(engine.wasmtime()).map_err(HostError::Engine)?,
            slots: Semaphore::new(engine.activations() as usize),
            process_memory: MemoryBudget::process(config.process_memory - kept),
            engine,
            backends,
            policy,
        })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The operator's policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where models are asked and objects are kept, for actions that are told of no others.
    pub fn backends(&self) -> &Backends {
        &self.backends
    }

    /// Where objects are, or why there are none.
    pub fn storage(&self) -> Backend<ObjectStorage> {
        self.backends.storage()
    }

    /// Gives back what servers hold for this host, before the process ends. It takes a few seconds
    /// at most, also where a server does not answer.
    pub async fn close(&self) {
        if let Ok(inference) = self.backends.inference() {
            inference.close().await;
        }
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.linker
    }

    pub(crate) fn process_memory(&self) -> &MemoryBudget {
        &self.process_memory
    }

    pub(crate) fn slots(&self) -> &Semaphore {
        &self.slots
    }
}

/// The engine that `config` describes: the part of a host that can be made before anything is known
/// of its action.
///
/// # Errors
/// The machine.
pub(crate) fn configured_engine(
    config: &Config,
    cache: Option<AotCache>,
) -> Result<Engine, HostError> {
    let (activations, memory) =
        (config.concurrency, config.process_memory.min(memory_left().unwrap_or(u64::MAX)));
    Engine::new(EngineOptions {
        activations,
        memory,
        cpu: config.cpu,
        compiler: compiler(config),
        cache,
    })
    .map_err(HostError::Engine)
}

fn compiler(config: &Config) -> Compiler {
    Compiler::Child(CompileLimits { memory: config.compile_memory, time: config.compile_time })
}

/// The cache of compiled code that `config` describes; none where nothing can be written at all, as
/// in a container whose file system is read-only.
///
/// # Errors
/// Its key cannot be read or made.
pub(crate) fn cache(config: &Config) -> Result<Option<AotCache>, HostError> {
    const KEY: &str = "compiled-code.key";
    let state = StateDir::new(&config.state_dir);
    if let Some(why) = state.why_without(KEY) {
        tracing::warn!(
            folder = %config.state_dir.display(),
            why,
            "compiled code is not kept; KEYNET_STATE_DIR and KEYNET_CACHE name folders that can be \
                written"
        );
        return Ok(None);
    }
    Ok(Some(AotCache::new(config.cache_dir.join("compiled"), state.key(KEY)?, config.cache_size)))
}

fn policy(config: &Config, unless_given: fn() -> Policy) -> Result<Policy, PolicyError> {
    Ok(config
        .policy
        .as_deref()
        .map_or_else(|| Ok(unless_given()), Policy::read)?
        .with_limits(&config.limits))
}

/// The storage of `config`, opened when it is first asked for.
fn lazily(config: &Config) -> LazyStorage {
    let (place, state) = (config.clone(), StateDir::new(&config.state_dir));
    LazyLock::new(Box::new(move || storage(&place, &state)))
}

fn opened(storage: Backend<ObjectStorage>) -> LazyStorage {
    LazyLock::new(Box::new(|| storage))
}

/// Checks what a host needs to run models in process, where it does.
///
/// # Errors
/// The library that `KEYNET_ONNXRUNTIME` names cannot be used.
fn check_models(config: &Config) -> Result<(), HostError> {
    match config.triton {
        Some(_) => Ok(()),
        None => Ok(embedded::check_engine(&config.embedded_models.onnxruntime)?),
    }
}

fn inference(config: &Config) -> Backend<dyn InferenceBackend> {
    if let Some(triton) = &config.triton {
        return Ok(Arc::new(TritonInference::open(triton)?));
    }
    let EmbeddedModelsConfig { folder, onnxruntime, .. } = &config.embedded_models;
    let limits = EmbeddedLimits::of(&config.embedded_models);
    Ok(Arc::new(EmbeddedInference::open_with(folder, limits, onnxruntime.clone())?))
}

/// `backend`, with the names of MLflow in front of it where one is configured.
fn registered(
    config: &Config,
    backend: Backend<dyn InferenceBackend>,
) -> Backend<dyn InferenceBackend> {
    match &config.mlflow {
        Some(mlflow) => Ok(Arc::new(Registered::new(backend?, ModelRegistry::open(mlflow)?))),
        None => backend,
    }
}

fn storage(config: &Config, state: &StateDir) -> Backend<ObjectStorage> {
    let limits = StorageLimits {
        max_object_read: config.storage_max_read,
        max_object_write: config.storage_max_write,
        ..StorageLimits::default()
    };
    if let Some(s3) = &config.s3 {
        return Ok(Arc::new(ObjectStorage::of_s3(&S3Store::open(s3)?, limits)));
    }
    let store = EmbeddedStore::open(EmbeddedSettings {
        folder: config.embedded_storage.folder.clone(),
        state: state.clone(),
        bucket: DEFAULT_BUCKET.to_owned(),
        public_url: config.embedded_storage.public_url.clone(),
        internal_url: None,
    })?;
    Ok(Arc::new(ObjectStorage::new(store.bucket(), limits)))
}
