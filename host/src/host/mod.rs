//! The composition root: from a configuration to an engine, a sandbox, backends and a policy.
//!
//! Everything here lives as long as the process. A process has one [`Host`]; it has one sandbox, in
//! which the actions of its tenant run.

mod builder;
mod engine;

use std::sync::Arc;

use keynet_base::OpenFile;
use keynet_base::config::Config;
use keynet_base::cpu::Cpu;
use keynet_base::error::Error;
use keynet_object_storage::ObjectStorage;

pub use builder::HostBuilder;
pub(crate) use engine::{cache, configured_engine};

use crate::action::{Action, ActionError, LoadOptions, Tenant};
use crate::activation::Sandbox;
use crate::backends::Backends;
use crate::capabilities::Backend;
use crate::engine::{Engine, Precompiler};
use crate::policy::{Policy, PolicyError};

/// Reason why a host cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The operator's policy file cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// wasmtime does not work on this machine.
    #[error("WebAssembly cannot run on this machine: {0:#}")]
    Engine(wasmtime::Error),
    /// The state folder, or the library that runs models, cannot be used.
    #[error(transparent)]
    State(#[from] Error),
}

/// The host of a process, which runs actions.
pub struct Host {
    sandbox: Arc<Sandbox>,
    tenant: Tenant,
}

impl Host {
    /// Creates a host from `config`, for a developer's own actions: without a policy file it grants
    /// the same as [`Policy::local`].
    ///
    /// # Errors
    /// The policy file or the state folder cannot be used, or WebAssembly cannot run on this
    /// machine.
    pub fn new(config: &Config) -> Result<Self, HostError> {
        Self::builder(config).build()
    }

    /// Returns a sandbox for many tenants, with the engine, the slots and the memory of `config`.
    ///
    /// # Errors
    /// The state folder cannot be used, or WebAssembly cannot run on this machine.
    pub fn shared_sandbox(config: &Config) -> Result<Arc<Sandbox>, HostError> {
        let engine = Arc::new(engine::shared_engine(config)?);
        Sandbox::new(engine, config.process_memory).map(Arc::new).map_err(HostError::Engine)
    }

    /// Returns a builder of a host from `config`.
    pub fn builder(config: &Config) -> HostBuilder<'_> {
        HostBuilder::new(config)
    }

    /// Returns a compiler for `cpu`, which may be another machine's.
    ///
    /// # Errors
    /// The state folder cannot be used, or wasmtime cannot compile for `cpu`.
    pub fn precompiler(config: &Config, cpu: Cpu) -> Result<Precompiler, HostError> {
        Precompiler::new(cpu, engine::compiler(config), cache(config)?).map_err(HostError::Engine)
    }

    /// Loads an action; see [`Action::load`].
    ///
    /// # Errors
    /// As [`Action::load`].
    pub async fn load(&self, component: &[u8]) -> Result<Action, ActionError> {
        self.load_with(component, LoadOptions::default()).await
    }

    /// Loads an action with options; see [`Action::load`].
    ///
    /// # Errors
    /// As [`Action::load`].
    pub async fn load_with(
        &self,
        component: &[u8],
        options: LoadOptions,
    ) -> Result<Action, ActionError> {
        Action::load(Arc::clone(&self.sandbox), &self.tenant, component, options).await
    }

    /// Loads an action from a file; see [`Action::load_file`].
    ///
    /// # Errors
    /// As [`Action::load_file`].
    pub async fn load_file(&self, file: &OpenFile) -> Result<Action, ActionError> {
        Action::load_file(Arc::clone(&self.sandbox), &self.tenant, file).await
    }

    /// Returns the sandbox.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Returns the engine.
    pub fn engine(&self) -> &Engine {
        self.sandbox.engine()
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.tenant.policy
    }

    /// Returns the backends.
    pub fn backends(&self) -> &Backends {
        &self.tenant.backends
    }

    /// Returns the object store, or the error why there is none.
    pub fn storage(&self) -> Backend<ObjectStorage> {
        self.tenant.backends.storage()
    }

    /// Releases the resources that servers hold for this host, before the process ends.
    pub async fn close(&self) {
        if let Ok(inference) = self.tenant.backends.inference() {
            inference.close().await;
        }
    }
}
