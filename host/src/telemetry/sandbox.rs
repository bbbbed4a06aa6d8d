//! The state of a sandbox when its metrics are read.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::activation::Sandbox;

type StateLabels = [(&'static str, &'static str); 1];

/// Slots and memory of a sandbox.
#[derive(Debug, Default)]
pub struct SandboxMetrics {
    activations: Family<StateLabels, Gauge>,
    slots: Gauge,
    used: Gauge,
    limit: Gauge,
}

impl SandboxMetrics {
    /// Creates metrics without values in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        registry.register(
            "sandbox_activations",
            "Activations that run or wait for a slot of the sandbox",
            new.activations.clone(),
        );
        registry.register("sandbox_slots", "Most activations that run at once", new.slots.clone());
        for (name, help, gauge) in [
            ("sandbox_memory_used", "Memory in use by activations and spares", &new.used),
            ("sandbox_memory_limit", "Limit of that memory", &new.limit),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        new
    }

    /// Sets the values to those of `sandbox` now.
    pub fn set(&self, sandbox: &Sandbox) {
        for (state, count) in [("running", sandbox.running()), ("waiting", sandbox.waiting())] {
            self.activations.get_or_create(&[("state", state)]).set(number(count as u64));
        }
        self.slots.set(number(sandbox.engine().activations().into()));
        self.used.set(number(sandbox.memory().used()));
        self.limit.set(number(sandbox.memory().limit()));
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
