//! Common parts of the benchmarks: the guests of `tests/build-guests` and a host without models and
//! objects.

#![allow(dead_code)] // each benchmark uses a part of it

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keynet_base::Config;
use keynet_base::cpu::Cpu;
use keynet_host::ActivationRequest;
use keynet_host::Backends;
use keynet_host::Host;
use keynet_host::LogSink;
use keynet_host::Parameters;
use keynet_host::engine::{AotCache, Compiler, Engine, EngineOptions};
use keynet_host::policy::Policy;

/// Reads a component.
pub fn guest(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("KEYNET_GUESTS")
        .map_or_else(|| PathBuf::from("../target/guests"), PathBuf::from);
    let path = folder.join(name).with_extension("wasm");
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run tests/build-guests", path.display()))
}

/// Creates a host that compiles in this process.
#[allow(dead_code)] // not every benchmark uses it
pub fn host(activations: u32, cache: Option<AotCache>) -> Arc<Host> {
    let config = Config::from_origins(vec![]).expect("the defaults");
    let memory = config.process_memory;
    let options = EngineOptions {
        activations,
        memory,
        cpu: Cpu::default(),
        compiler: Compiler::InProcess,
        cache,
    };
    let engine = Engine::new(options).expect("an engine");
    let mut policy = Policy::local();
    policy.limits.time = Duration::from_secs(600);
    let host = Host::builder(&config).engine(Arc::new(engine)).policy(policy);
    Arc::new(host.backends(Backends::none(&config)).build().expect("a host"))
}

/// Creates a request with these parameters.
pub fn request(parameters: &str, logs: Arc<dyn LogSink>) -> ActivationRequest {
    ActivationRequest::new(Parameters::parse(parameters).expect("parameters"), logs)
}
