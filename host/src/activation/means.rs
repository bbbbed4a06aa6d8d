//! The grants and backends of one action.

use std::sync::Arc;

use keynet_base::budget::MemoryBudget;
use keynet_base::error::Error;
use keynet_base::offload::LargeWork;
use keynet_models::inference::InferenceBackend;
use keynet_object_storage::{ObjectStorage, Objects, UrlRules};

use super::surroundings::{Machine, Surroundings};
use crate::capabilities::Backend;
use crate::policy::Grants;

/// The grants and backends of one action, resolved when it is loaded.
pub(crate) struct Means {
    pub(crate) grants: Arc<Grants>,
    pub(super) inference: Backend<dyn InferenceBackend>,
    pub(super) storage: Backend<dyn Objects>,
    pub(super) default_model: Option<Arc<str>>,
    /// Clocks and random numbers; `None` for the machine's own.
    pub(super) machine: Option<Arc<dyn Machine>>,
    pub(crate) share: TenantShare,
}

/// What the activations of a tenant have together.
#[derive(Debug, Clone, Default)]
pub struct TenantShare {
    /// Memory of all of them; `None` for no limit but the sandbox's.
    pub memory: Option<MemoryBudget>,
    /// Large results, which are checked in turns of the tenant if there are others.
    pub large: LargeWork,
}

impl Means {
    /// Creates the means of an action. `storage` is `None` for an action that does not import it.
    pub(crate) fn new(
        grants: Arc<Grants>,
        inference: Backend<dyn InferenceBackend>,
        storage: Option<Backend<ObjectStorage>>,
        default_model: Option<Arc<str>>,
        share: TenantShare,
    ) -> Self {
        let urls = UrlRules {
            hosts: Some(grants.hosts.clone()),
            private_addresses: grants.private_addresses,
        };
        let storage = storage
            .unwrap_or_else(|| Err(Error::internal("the action does not import storage")))
            .map(|storage| Arc::new(storage.with_url_rules(urls)) as Arc<dyn Objects>);
        Self { grants, inference, storage, default_model, machine: None, share }
    }

    /// Returns the means for one activation, with `surroundings` between it and them.
    pub(crate) fn within(&self, surroundings: &dyn Surroundings) -> Self {
        Self {
            grants: Arc::clone(&self.grants),
            inference: surroundings.models(self.inference.clone()),
            storage: surroundings.objects(self.storage.clone()),
            default_model: surroundings.default_model(self.default_model.clone()),
            machine: Some(surroundings.machine()),
            share: self.share.clone(),
        }
    }
}
