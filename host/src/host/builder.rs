//! Builder of a host.

use std::sync::Arc;

use keynet_base::config::Config;
use keynet_models::inference::embedded;

use super::engine::{cache, configured_engine};
use super::{Host, HostError};
use crate::action::Tenant;
use crate::activation::{Sandbox, TenantShare};
use crate::backends::Backends;
use crate::engine::Engine;
use crate::policy::Policy;

/// Builder of a [`Host`]. By default it uses the engine, the backends and the policy of its
/// configuration.
pub struct HostBuilder<'a> {
    config: &'a Config,
    default_policy: fn() -> Policy,
    policy: Option<Policy>,
    engine: Option<Arc<Engine>>,
    backends: Option<Backends>,
    describing: bool,
}

impl<'a> HostBuilder<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        Self {
            config,
            default_policy: Policy::local,
            policy: None,
            engine: None,
            backends: None,
            describing: false,
        }
    }

    /// Sets the policy that applies if the configuration names no policy file. The default is
    /// [`Policy::local`].
    #[must_use]
    pub fn default_policy(mut self, policy: fn() -> Policy) -> Self {
        self.default_policy = policy;
        self
    }

    /// Sets the policy, overriding the configuration's.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets the engine.
    #[must_use]
    pub fn engine(mut self, engine: Arc<Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Sets the backends.
    #[must_use]
    pub fn backends(mut self, backends: Backends) -> Self {
        self.backends = Some(backends);
        self
    }

    /// Restricts the host to actions that only describe themselves: without backends, and with one
    /// slot.
    #[must_use]
    pub fn describing(mut self) -> Self {
        self.describing = true;
        self
    }

    /// Builds the host.
    ///
    /// # Errors
    /// The policy file, the state folder or the library that `KEYNET_ONNXRUNTIME` names cannot be
    /// used, or WebAssembly cannot run on this machine.
    pub fn build(self) -> Result<Host, HostError> {
        let config = self.config;
        let policy = match (self.policy, config.policy.as_deref()) {
            (Some(policy), _) => policy,
            (None, Some(file)) => Policy::read(file)?.with_limits(&config.limits),
            (None, None) => (self.default_policy)().with_limits(&config.limits),
        };
        let engine = match self.engine {
            Some(engine) => engine,
            None if self.describing => {
                let config = Config { concurrency: 1, ..config.clone() };
                Arc::new(configured_engine(&config, cache(&config)?)?)
            }
            None => Arc::new(configured_engine(config, cache(config)?)?),
        };
        let backends = match self.backends {
            Some(backends) => backends,
            None if self.describing => Backends::none(config),
            None => {
                check_models(config)?;
                Backends::configured(config)
            }
        };
        let sandbox = Sandbox::new(engine, config.process_memory).map_err(HostError::Engine)?;
        Ok(Host {
            sandbox: Arc::new(sandbox),
            tenant: Tenant {
                policy,
                backends: Arc::new(backends),
                share: TenantShare::default(),
                owner: None,
            },
        })
    }
}

/// Checks the engine of the models that run in process, if they do.
fn check_models(config: &Config) -> Result<(), HostError> {
    match config.triton {
        Some(_) => Ok(()),
        None => Ok(embedded::check_engine(&config.embedded_models.onnxruntime)?),
    }
}
