//! What lives as long as the process: the engine, the linker, the backends, the policy, the memory of all activations.

use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use crate::activation::{self, State};
use crate::budget::MemoryBudget;
use crate::capabilities::Backend;
use crate::config::Config;
use crate::engine::{AotCache, CompileLimits, Compiler, Engine, EngineOptions};
use crate::error::Error;
use crate::inference::InferenceBackend;
use crate::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use crate::object_storage::embedded::{DEFAULT_BUCKET, EmbeddedSettings, EmbeddedStore};
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
type LazyStorage = LazyLock<Backend<ObjectStorage>, Box<dyn FnOnce() -> Backend<ObjectStorage> + Send + Sync>>;

/// Runs actions. One for a process.
pub struct Host {
    engine: Engine,
    linker: Linker<State>,
    inference: Backend<dyn InferenceBackend>,
    storage: LazyStorage,
    default_model: Option<Arc<str>>,
    policy: Policy,
    process_memory: MemoryBudget,
    slots: Semaphore,
}

impl Host {
    /// A host as `config` says, for the command line and the container.
    ///
    /// # Errors
    /// The policy file, the state folder or the machine.
    pub fn new(config: &Config) -> Result<Self, HostError> {
        let (place, state) = (config.clone(), StateDir::new(&config.state_dir));
        Self::as_configured(config, inference(config), LazyLock::new(Box::new(move || storage(&place, &state))))
    }

    /// A host that loads actions and lets them describe themselves, without models and objects: it makes no folder for them.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn describing(config: &Config) -> Result<Self, HostError> {
        let none = || Error::unavailable("the action is only described");
        Self::as_configured(&Config { concurrency: 1, ..config.clone() }, Err(none()), opened(Err(none())))
    }

    fn as_configured(config: &Config, inference: Backend<dyn InferenceBackend>, storage: LazyStorage) -> Result<Self, HostError> {
        let policy = config.policy.as_deref().map_or_else(|| Ok(Policy::local()), Policy::read)?;
        let key = StateDir::new(&config.state_dir).key("compiled-code.key")?;
        let engine = Engine::new(EngineOptions {
            activations: config.concurrency,
            compiler: Compiler::Child(CompileLimits { memory: config.compile_memory, time: config.compile_time }),
            cache: Some(AotCache::new(config.cache_dir.join("compiled"), key)),
        })
        .map_err(HostError::Engine)?;
        Self::assemble(engine, inference, storage, policy.with_limits(&config.limits), config)
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
        Self::assemble(engine, inference, opened(storage), policy, config)
    }

    fn assemble(
        engine: Engine,
        inference: Backend<dyn InferenceBackend>,
        storage: LazyStorage,
        policy: Policy,
        config: &Config,
    ) -> Result<Self, HostError> {
        Ok(Self {
            linker: activation::linker(engine.wasmtime()).map_err(HostError::Engine)?,
            slots: Semaphore::new(engine.activations() as usize),
            process_memory: MemoryBudget::process(config.process_memory),
            default_model: config.model_name.as_deref().map(Arc::from),
            engine,
            inference,
            storage,
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

    /// Where models are asked, or why none can be.
    pub fn inference(&self) -> Backend<dyn InferenceBackend> {
        self.inference.clone()
    }

    /// Where objects are, or why there are none.
    pub fn storage(&self) -> Backend<ObjectStorage> {
        self.storage.clone()
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.linker
    }

    pub(crate) fn default_model(&self) -> Option<Arc<str>> {
        self.default_model.clone()
    }

    pub(crate) fn process_memory(&self) -> &MemoryBudget {
        &self.process_memory
    }

    pub(crate) fn slots(&self) -> &Semaphore {
        &self.slots
    }
}

fn opened(storage: Backend<ObjectStorage>) -> LazyStorage {
    LazyLock::new(Box::new(|| storage))
}

fn inference(config: &Config) -> Backend<dyn InferenceBackend> {
    if let Some(triton) = &config.triton {
        return Err(Error::unavailable(format!(
            "TRITON_URL is set in {}, but this version cannot ask a Triton server yet: unset it to run the models of KEYNET_MODELS in process",
            triton.origin
        )));
    }
    let limits = EmbeddedLimits {
        max_dimension: config.embedded_models.max_dimension,
        max_run_bytes: config.embedded_models.run_memory,
        max_model_bytes: config.embedded_models.model_bytes,
        ..EmbeddedLimits::default()
    };
    Ok(Arc::new(EmbeddedInference::open(&config.embedded_models.folder, limits)?))
}

fn storage(config: &Config, state: &StateDir) -> Backend<ObjectStorage> {
    if let Some(s3) = &config.s3 {
        return Err(Error::unavailable(format!(
            "AWS_BUCKET_NAME is set in {}, but this version cannot use an S3 store yet: unset it to keep objects in the folder KEYNET_STORAGE",
            s3.origin
        )));
    }
    let limits =
        StorageLimits { max_object_read: config.storage_max_read, max_object_write: config.storage_max_write, ..StorageLimits::default() };
    let store = EmbeddedStore::open(EmbeddedSettings {
        folder: config.embedded_storage.folder.clone(),
        state: state.clone(),
        bucket: DEFAULT_BUCKET.to_owned(),
        public_url: Some(config.embedded_storage.public_url.clone()),
        internal_url: None,
    })?;
    Ok(Arc::new(ObjectStorage::new(store.bucket(), limits)))
}
