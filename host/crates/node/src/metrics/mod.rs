//! Metrics of a node: those of every process that runs activations, and the state of its
//! namespaces.

use std::sync::Arc;
use std::time::Duration;

use keynet_host::telemetry::{self, ActivationMetrics, Ended, SandboxMetrics};
use keynet_host::{Receipt, Sandbox};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamespaceLabels {
    namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    namespace: String,
    state: &'static str,
}

/// State of a namespace when the metrics are read.
pub struct NamespaceState {
    /// Name.
    pub name: Arc<str>,
    /// Activations that run.
    pub running: usize,
    /// Activations that wait for a slot.
    pub waiting: usize,
    /// Bytes of memory in use by its activations.
    pub memory: u64,
    /// Limit of that memory in bytes.
    pub memory_limit: u64,
    /// Bytes of its activation records.
    pub records: u64,
    /// Processor time that its activations used, in seconds.
    pub computed: Duration,
}

/// Counters and histograms of the node.
pub struct Metrics {
    registry: Registry,
    activations: ActivationMetrics,
    sandbox: SandboxMetrics,
    slots: Family<StateLabels, Gauge>,
    memory: Family<NamespaceLabels, Gauge>,
    memory_limit: Family<NamespaceLabels, Gauge>,
    records: Family<NamespaceLabels, Gauge>,
    computed: Family<NamespaceLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    loaded: Gauge,
}

impl Metrics {
    /// Creates metrics without values.
    pub fn new() -> Self {
        let mut registry = telemetry::registry();
        let activations = ActivationMetrics::register(&mut registry);
        let sandbox = SandboxMetrics::register(&mut registry);
        let slots = Family::default();
        registry.register("slots", "Activations that run or wait for a slot", slots.clone());
        let (memory, memory_limit, records) =
            (Family::default(), Family::default(), Family::default());
        for (name, help, family) in [
            ("memory_used", "Memory in use by running activations", &memory),
            ("memory_limit", "Limit of that memory", &memory_limit),
            ("records_stored", "Stored activation records, logs included", &records),
        ] {
            let family: &Family<NamespaceLabels, Gauge> = family;
            registry.register_with_unit(name, help, Unit::Bytes, family.clone());
        }
        let computed = Family::default();
        registry.register_with_unit(
            "processor_time",
            "Processor time that requests and activations used",
            Unit::Seconds,
            computed.clone(),
        );
        let loaded = Gauge::default();
        registry.register("loaded_actions", "Actions that are loaded", loaded.clone());
        Self {
            registry,
            activations,
            sandbox,
            slots,
            memory,
            memory_limit,
            records,
            computed,
            loaded,
        }
    }

    /// Counts an activation that ended with `outcome`; `load` is the time to load its action.
    pub fn ended(
        &self,
        namespace: &Arc<str>,
        action: &str,
        outcome: &'static str,
        queued: Duration,
        load: Option<Duration>,
        receipt: Option<&Receipt>,
    ) {
        let namespace = Some(namespace);
        self.activations.ended(Ended { namespace, action, outcome, queued, load, receipt });
    }

    /// Returns the text of all metrics, with the state of the sandbox and the namespaces now.
    pub fn text(
        &self,
        sandbox: &Sandbox,
        namespaces: &[NamespaceState],
        loaded_actions: usize,
    ) -> String {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.sandbox.set(sandbox);
        self.loaded.set(number(loaded_actions as u64));
        for state in namespaces {
            let namespace = state.name.to_string();
            for (name, count) in [("running", state.running), ("waiting", state.waiting)] {
                let labels = StateLabels { namespace: namespace.clone(), state: name };
                self.slots.get_or_create(&labels).set(number(count as u64));
            }
            let labels = NamespaceLabels { namespace };
            self.memory.get_or_create(&labels).set(number(state.memory));
            self.memory_limit.get_or_create(&labels).set(number(state.memory_limit));
            self.records.get_or_create(&labels).set(number(state.records));
            self.computed.get_or_create(&labels).set(state.computed.as_secs_f64());
        }
        telemetry::text(&self.registry)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
