//! The grants and backends of one action.

use std::sync::Arc;

use keynet_base::budget::MemoryBudget;
use keynet_base::error::Error;
use keynet_models::inference::InferenceBackend;
use keynet_object_storage::{ObjectStorage, UrlRules};

use crate::capabilities::Backend;
use crate::policy::Grants;

/// The grants and backends of one action, resolved when it is loaded.
pub(crate) struct Means {
    pub(crate) grants: Arc<Grants>,
    pub(super) inference: Backend<dyn InferenceBackend>,
    pub(super) storage: Backend<ObjectStorage>,
    pub(super) default_model: Option<Arc<str>>,
    /// Memory of all activations of the tenant; `None` for no limit but the sandbox's.
    pub(crate) memory: Option<MemoryBudget>,
}

impl Means {
    /// Creates the means of an action. `storage` is `None` for an action that does not import it.
    pub(crate) fn new(
        grants: Arc<Grants>,
        inference: Backend<dyn InferenceBackend>,
        storage: Option<Backend<ObjectStorage>>,
        default_model: Option<Arc<str>>,
        memory: Option<MemoryBudget>,
    ) -> Self {
        let urls = UrlRules {
            hosts: Some(grants.hosts.clone()),
            private_addresses: grants.private_addresses,
        };
        let storage = storage
            .unwrap_or_else(|| Err(Error::internal("the action does not import storage")))
            .map(|storage| Arc::new(storage.with_url_rules(urls)));
        Self { grants, inference, storage, default_model, memory }
    }
}
