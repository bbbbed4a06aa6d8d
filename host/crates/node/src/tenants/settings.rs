//! Settings of a namespace, resolved from its configuration.

use std::path::Path;
use std::sync::Arc;

use keynet_artifact::{CapabilityRequest, PublicKey};
use keynet_base::budget::MemoryBudget;
use keynet_base::config::{RegistryConfig, Secret};
use keynet_base::error::Error;
use keynet_base::offload::LargeWork;
use keynet_host::engine::CodeOwner;
use keynet_host::policy::{Grants, Policy};
use keynet_host::{Backends, Tenant, TenantShare};
use keynet_object_storage::ObjectStorage;

use crate::config::{NamespaceConfig, Quotas};
use crate::entities::{Limits, MaxLimits, milliseconds};

const MB: u64 = 1 << 20;

/// Error of a namespace whose configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("namespace {namespace:?}: {why}")]
pub struct NamespaceError {
    namespace: String,
    why: String,
}

impl NamespaceError {
    pub(super) fn new(namespace: &str, why: impl ToString) -> Self {
        Self { namespace: namespace.to_owned(), why: why.to_string() }
    }
}

/// Share of a namespace in what all of them use, which it keeps from one configuration to the next.
pub struct Shared {
    /// Memory of all its activations.
    pub memory: MemoryBudget,
    /// Owner of its components: of their compilations and of their compiled code.
    pub owner: Arc<CodeOwner>,
    /// Large bodies, parameters, results and responses, which take one of the few places that all
    /// namespaces share.
    pub large: LargeWork,
}

/// Settings of a namespace.
pub struct NamespaceSettings {
    /// Its key, `UUID:SECRET`.
    pub key: Secret,
    /// Quotas.
    pub quotas: Quotas,
    /// Access to registries.
    pub registry: RegistryConfig,
    /// `true` to accept references by tag.
    pub allow_tags: bool,
    /// Public keys, one of which must have signed each component; none to accept every component.
    pub signers: Vec<PublicKey>,
    fingerprints: Vec<String>,
    /// Memory and owner of its activations.
    pub shared: Shared,
    /// Number of the configuration: actions that were loaded under another one are loaded again.
    pub generation: u64,
    policy: Policy,
    backends: Arc<Backends>,
}

impl NamespaceSettings {
    /// Reads the files that `config` names; `folder` is for the namespace's own data.
    pub(super) fn read(
        name: &str,
        config: &NamespaceConfig,
        folder: &Path,
        shared: Shared,
        generation: u64,
    ) -> Result<Self, NamespaceError> {
        let wrong = |why: String| NamespaceError::new(name, why);
        std::fs::create_dir_all(folder)
            .map_err(|error| wrong(format!("cannot create {}: {error}", folder.display())))?;
        let host = config.backends(folder).map_err(wrong)?;
        let policy = match &config.policy {
            Some(path) => Policy::read(path).map_err(|error| wrong(error.to_string()))?,
            None if config.is_of_a_developer => Policy::local(),
            None => Policy::container(),
        };
        let signers = config.require_signature.iter().map(|path| PublicKey::read(path));
        let signers: Vec<_> =
            signers.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            key: config.key().map_err(wrong)?,
            quotas: config.quotas.clone(),
            registry: host.registry.clone(),
            allow_tags: config.allow_tags,
            fingerprints: signers.iter().map(PublicKey::fingerprint).collect(),
            signers,
            shared,
            generation,
            policy: policy.with_limits(&host.limits),
            backends: Arc::new(Backends::configured(&host)),
        })
    }

    /// Reports whether a component may run that the key `signer` signed; `None` if none did.
    pub fn accepts_signer(&self, signer: Option<&str>) -> bool {
        self.fingerprints.is_empty()
            || signer.is_some_and(|signer| self.fingerprints.iter().any(|own| own == signer))
    }

    /// Returns the largest limits of its actions.
    pub fn max_limits(&self) -> MaxLimits {
        MaxLimits {
            timeout: milliseconds(self.quotas.action_time),
            memory: self.quotas.action_memory / MB,
            logs: self.quotas.action_logs / MB,
        }
    }

    /// Returns the grants of an action that requests everything.
    pub fn grants(&self) -> Grants {
        self.policy.grants(&CapabilityRequest::default())
    }

    /// Returns the namespace's storage.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn storage(&self) -> Result<Arc<ObjectStorage>, Error> {
        self.backends.storage()
    }

    /// Returns the tenant for an action with `limits`.
    pub fn tenant(&self, limits: Limits) -> Tenant {
        let mut policy = self.policy.clone();
        let allowed = &mut policy.limits;
        allowed.memory = limits.memory.saturating_mul(MB).min(self.quotas.action_memory);
        allowed.logs = limits.logs.saturating_mul(MB).min(self.quotas.action_logs);
        allowed.time = self.quotas.action_time;
        Tenant {
            policy,
            backends: Arc::clone(&self.backends),
            share: TenantShare {
                memory: Some(self.shared.memory.clone()),
                large: self.shared.large.clone(),
            },
            owner: Some(Arc::clone(&self.shared.owner)),
        }
    }
}
