//! The container: one action, from before it is known until the process ends.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, OnceCell};

use super::output::Output;
use super::own_servers::OwnServers;
use super::telemetry::Telemetry;
use super::window::Window;
use crate::action::Action;
use crate::activation::GuestEnvironment;
use crate::engine::{BakedCode, Engine, memory_left};
use crate::host::{self, Host, HostError};
use keynet_base::config::{Config, ConfigError, Origin, RuntimeConfig};

/// Bytes of the container's memory that are reserved for the host itself.
const KEPT_FREE: u64 = 16 << 20;

/// State that the requests of a container share.
pub(super) struct Container {
    /// Environment of the process.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) config: RuntimeConfig,
    /// The operator's part of the host's configuration, or its error.
    host: Result<Config, ConfigError>,
    engine: OnceCell<Arc<Engine>>,
    /// Metrics and traces; off until the server starts.
    pub(super) telemetry: Telemetry,
    pub(super) output: Arc<Output>,
    loaded: OnceLock<Loaded>,
    /// Lock of the `/init` that is in progress.
    pub(super) initializing: Mutex<()>,
}

/// An action that can be run.
pub(super) struct Loaded {
    pub(super) host: Arc<Host>,
    pub(super) action: Action,
    pub(super) environment: GuestEnvironment,
    pub(super) own_servers: OwnServers,
}

/// Error of creating the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum EngineError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("the thread that makes the engine failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl Container {
    /// Creates a container without an action. An error of its configuration is reported by `/init`,
    /// since its messages are not visible earlier.
    pub(super) fn new(environment: BTreeMap<String, String>) -> Self {
        let read = RuntimeConfig::read(&environment);
        let host = match &read {
            Ok(config) => Config::from_origins(vec![(Origin::Container, environment.clone())])
                .map(|host| fitting(host, config)),
            Err(error) => Err(error.clone()),
        };
        Self {
            environment,
            config: read.unwrap_or_default(),
            host,
            engine: OnceCell::new(),
            telemetry: Telemetry::default(),
            output: Arc::new(Output::of_the_process()),
            loaded: OnceLock::new(),
            initializing: Mutex::new(()),
        }
    }

    /// Returns the engine; the first caller creates it. That takes a moment, and does not depend on
    /// `/init`.
    pub(super) async fn engine(&self) -> Result<Arc<Engine>, EngineError> {
        let make = async || {
            let (config, action) = (self.host.clone()?, self.config.action.clone());
            let engine =
                tokio::task::spawn_blocking(move || make_engine(&config, &action)).await??;
            Ok(Arc::new(engine))
        };
        self.engine.get_or_try_init(make).await.cloned()
    }

    /// Returns the host's configuration with the settings of the action's owner in `/init`.
    pub(super) fn host_config(
        &self,
        init: &BTreeMap<String, String>,
    ) -> Result<Config, ConfigError> {
        self.host.as_ref().map_err(Clone::clone)?;
        let origins =
            vec![(Origin::Container, self.environment.clone()), (Origin::Init, init.clone())];
        let mut config = fitting(Config::from_origins(origins)?, &self.config);
        config.hide_secrets();
        // Exceeding this limit is reported; without it the container would be killed.
        if let Some(left) =
            memory_left().filter(|_| !self.environment.contains_key("KEYNET_PROCESS_MEMORY"))
        {
            config.process_memory = config.process_memory.min(left.saturating_sub(KEPT_FREE));
        }
        Ok(config)
    }

    /// Returns the action; `None` before `/init`.
    pub(super) fn loaded(&self) -> Option<&Loaded> {
        self.loaded.get()
    }

    /// Sets the action. The caller must hold `initializing`.
    pub(super) fn set_loaded(&self, loaded: Loaded) {
        let _ = self.loaded.set(loaded);
    }

    /// Opens an activation's log window.
    pub(super) fn window(&self) -> Arc<Window> {
        Window::open(Arc::clone(&self.output), self.config.concurrent)
    }
}

/// Reduces the concurrency to one slot if activations do not overlap.
fn fitting(host: Config, config: &RuntimeConfig) -> Config {
    Config { concurrency: if config.concurrent { host.concurrency } else { 1 }, ..host }
}

fn make_engine(config: &Config, action: &std::path::Path) -> Result<Engine, HostError> {
    let cache = host::cache(config).unwrap_or_else(|error| {
        tracing::warn!(%error, "compiled code is not kept");
        None
    });
    Ok(host::configured_engine(config, cache)?.with_baked(BakedCode::beside(action)))
}
