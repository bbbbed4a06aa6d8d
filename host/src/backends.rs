//! The backends of a tenant: models and objects, opened from one configuration.

use std::sync::{Arc, LazyLock};

use keynet_base::config::{Config, EmbeddedModelsConfig};
use keynet_base::error::Error;
use keynet_base::state::StateDir;
use keynet_models::inference::InferenceBackend;
use keynet_models::inference::embedded::{EmbeddedInference, EmbeddedLimits};
use keynet_models::inference::triton::TritonInference;
use keynet_models::model_registry::{ModelRegistry, Registered};
use keynet_object_storage::folder_store::{DEFAULT_BUCKET, FolderStore, FolderStoreSettings};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{ObjectStorage, StorageLimits};

use crate::capabilities::Backend;

/// Storage that is opened when the first action that imports it is loaded, since no other action
/// needs a folder.
type LazyStorage =
    LazyLock<Backend<ObjectStorage>, Box<dyn FnOnce() -> Backend<ObjectStorage> + Send + Sync>>;

/// Models and objects that one configuration names.
pub struct Backends {
    /// Models by their names on the server.
    models: Backend<dyn InferenceBackend>,
    /// The same models, also by their names in a registry.
    inference: Backend<dyn InferenceBackend>,
    storage: Arc<LazyStorage>,
    default_model: Option<Arc<str>>,
}

impl Backends {
    /// Creates the backends that `config` names.
    pub fn configured(config: &Config) -> Self {
        let models = inference(config);
        Self {
            models: models.clone(),
            ..Self::new(config, registered(config, models), lazily(config))
        }
    }

    /// Creates the backends that `config` names. Reuses these backends, which were opened from
    /// `own`, for every server that both configurations share.
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

    /// Returns `inference` and `storage`, and the default model of `config`.
    pub fn of(
        config: &Config,
        inference: Backend<dyn InferenceBackend>,
        storage: Backend<ObjectStorage>,
    ) -> Self {
        Self::new(config, inference, opened(storage))
    }

    /// Returns backends whose calls all fail, for actions that only describe themselves.
    pub fn none(config: &Config) -> Self {
        let none = || Error::unavailable("the action is only described");
        Self::of(config, Err(none()), Err(none()))
    }

    fn new(
        config: &Config,
        inference: Backend<dyn InferenceBackend>,
        storage: LazyStorage,
    ) -> Self {
        let default_model = config.model_name.as_deref().map(Arc::from);
        Self { models: inference.clone(), inference, storage: Arc::new(storage), default_model }
    }

    /// Returns the inference backend, or the error why there is none.
    pub fn inference(&self) -> Backend<dyn InferenceBackend> {
        self.inference.clone()
    }

    /// Returns the object store, or the error why there is none.
    pub fn storage(&self) -> Backend<ObjectStorage> {
        LazyLock::force(&self.storage).clone()
    }

    pub(crate) fn default_model(&self) -> Option<Arc<str>> {
        self.default_model.clone()
    }
}

fn lazily(config: &Config) -> LazyStorage {
    let (place, state) = (config.clone(), StateDir::new(&config.state_dir));
    LazyLock::new(Box::new(move || storage(&place, &state)))
}

fn opened(storage: Backend<ObjectStorage>) -> LazyStorage {
    LazyLock::new(Box::new(|| storage))
}

fn inference(config: &Config) -> Backend<dyn InferenceBackend> {
    if let Some(triton) = &config.triton {
        return Ok(Arc::new(TritonInference::open(triton)?));
    }
    let EmbeddedModelsConfig { folder, onnxruntime, .. } = &config.embedded_models;
    let limits = EmbeddedLimits::of(&config.embedded_models);
    Ok(Arc::new(EmbeddedInference::open_with(folder, limits, onnxruntime.clone())?))
}

/// Adds the names of MLflow to `backend` if a registry is configured.
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
    let store = FolderStore::open(FolderStoreSettings {
        folder: config.embedded_storage.folder.clone(),
        state: state.clone(),
        bucket: DEFAULT_BUCKET.to_owned(),
        public_url: config.embedded_storage.public_url.clone(),
        internal_url: None,
        max_total: config.embedded_storage.max_total,
    })?;
    Ok(Arc::new(ObjectStorage::new(store.bucket(), limits)))
}
