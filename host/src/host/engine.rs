//! The engine of a configuration.

use keynet_base::config::Config;
use keynet_base::state::StateDir;

use super::HostError;
use crate::engine::{AotCache, CompileLimits, Compiler, Engine, EngineOptions, memory_left};

/// Compilations at a time for many tenants. Each takes `KEYNET_COMPILE_MEMORY` at most.
const COMPILATIONS: usize = 3;

/// Niceness of the compilations for many tenants: beside activations that compute on all
/// processors, they get about a quarter.
const NICENESS: i32 = 5;

/// Creates the engine that `config` describes: the part of a host that does not depend on its
/// action.
///
/// # Errors
/// WebAssembly cannot run on this machine.
pub(crate) fn configured_engine(
    config: &Config,
    cache: Option<AotCache>,
) -> Result<Engine, HostError> {
    engine_with(config, compiler(config), cache)
}

/// Creates the engine of many tenants: their components are compiled beside each other, and with a
/// lower priority than that of running activations.
///
/// # Errors
/// WebAssembly cannot run on this machine.
pub(super) fn shared_engine(config: &Config) -> Result<Engine, HostError> {
    let compiler = match compiler(config) {
        Compiler::Child(limits) => Compiler::Child(CompileLimits { niceness: NICENESS, ..limits }),
        other => other,
    };
    Ok(engine_with(config, compiler, cache(config)?)?.with_compilations(COMPILATIONS))
}

fn engine_with(
    config: &Config,
    compiler: Compiler,
    cache: Option<AotCache>,
) -> Result<Engine, HostError> {
    let (activations, memory) =
        (config.concurrency, config.process_memory.min(memory_left().unwrap_or(u64::MAX)));
    Engine::new(EngineOptions { activations, memory, cpu: config.cpu, compiler, cache })
        .map_err(HostError::Engine)
}

pub(super) fn compiler(config: &Config) -> Compiler {
    Compiler::Child(CompileLimits {
        memory: config.compile_memory,
        time: config.compile_time,
        niceness: 0,
    })
}

/// Opens the cache of compiled code that `config` describes; `None` if nothing can be written, as
/// in a container whose file system is read-only.
///
/// # Errors
/// Its key cannot be read or created.
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
