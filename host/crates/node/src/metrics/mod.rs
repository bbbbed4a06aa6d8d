//! Metrics in the text format of Prometheus (OpenMetrics), at `GET /metrics` of an address of their
//! own.
//!
//! Names follow OpenTelemetry's conventions where there are some: `_seconds`, `_bytes`, `_total`.
//! The number of series is bounded: activations of actions beyond the first [`MAX_ACTIONS`] count
//! under `other`.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keynet_host::Receipt;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Actions that have series of their own.
const MAX_ACTIONS: usize = 1_000;

/// Upper bounds of the buckets of times, in seconds.
const BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Phase of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waiting for a slot.
    Queue,
    /// Loading the action, if it was not loaded.
    Load,
    /// Creating the store and the instance.
    Instantiate,
    /// The guest's own time.
    Guest,
    /// Waiting for models.
    Inference,
    /// Waiting for objects.
    Storage,
    /// From the request to the end of the activation.
    Total,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Load => "load",
            Self::Instantiate => "instantiate",
            Self::Guest => "guest",
            Self::Inference => "inference",
            Self::Storage => "storage",
            Self::Total => "total",
        }
    }
}

impl EncodeLabelValue for Phase {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        self.name().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActivationLabels {
    namespace: String,
    action: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: Phase,
}

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
    activations: Family<ActivationLabels, Counter>,
    phases: Family<PhaseLabels, Histogram>,
    slots: Family<StateLabels, Gauge>,
    memory: Family<NamespaceLabels, Gauge>,
    memory_limit: Family<NamespaceLabels, Gauge>,
    records: Family<NamespaceLabels, Gauge>,
    computed: Family<NamespaceLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    loaded: Gauge,
    /// Actions that have series of their own.
    known: Mutex<HashSet<(Arc<str>, String)>>,
}

impl Metrics {
    /// Creates metrics without values.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("keynet");
        let activations = Family::default();
        registry.register("activations", "Activations that ended", activations.clone());
        let phases: Family<PhaseLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit(
            "activation_phase",
            "Time of activations by phase",
            Unit::Seconds,
            phases.clone(),
        );
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
            "Processor time that activations used",
            Unit::Seconds,
            computed.clone(),
        );
        let loaded = Gauge::default();
        registry.register("loaded_actions", "Actions that are loaded", loaded.clone());
        Self {
            registry,
            activations,
            phases,
            slots,
            memory,
            memory_limit,
            records,
            computed,
            loaded,
            known: Mutex::default(),
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
        let labels = ActivationLabels {
            namespace: namespace.to_string(),
            action: self.label_of(namespace, action),
            outcome,
        };
        self.activations.get_or_create(&labels).inc();
        self.observe(Phase::Queue, queued);
        if let Some(load) = load {
            self.observe(Phase::Load, load);
        }
        let Some(receipt) = receipt else { return };
        let time = Duration::from_nanos;
        self.observe(Phase::Instantiate, time(receipt.instantiate_ns));
        self.observe(Phase::Guest, time(receipt.guest_ns));
        if receipt.inference_calls > 0 {
            self.observe(Phase::Inference, time(receipt.inference_ns));
        }
        if receipt.storage_calls > 0 {
            self.observe(Phase::Storage, time(receipt.storage_ns));
        }
        self.observe(Phase::Total, queued + time(receipt.total_ns));
    }

    fn observe(&self, phase: Phase, time: Duration) {
        self.phases.get_or_create(&PhaseLabels { phase }).observe(time.as_secs_f64());
    }

    /// Returns the label of an action: its name, or `other` if there are too many.
    fn label_of(&self, namespace: &Arc<str>, action: &str) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(namespace), action.to_owned());
        if known.len() < MAX_ACTIONS {
            let label = key.1.clone();
            known.insert(key);
            label
        } else if known.contains(&key) {
            key.1
        } else {
            "other".to_owned()
        }
    }

    /// Returns the text of all metrics, with the state of the namespaces now.
    pub fn text(&self, namespaces: &[NamespaceState], loaded_actions: usize) -> String {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
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
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded_and_labels_cannot_break_a_line() {
        let metrics = Metrics::new();
        let namespace: Arc<str> = "team".into();
        for number in 0..MAX_ACTIONS + 10 {
            let name = format!("a{number}");
            metrics.ended(&namespace, &name, "success", Duration::ZERO, None, None);
        }
        metrics.ended(&namespace, "a1", "success", Duration::ZERO, None, None);
        metrics.ended(&namespace, "x\"\n} 1", "success", Duration::ZERO, None, None);
        let text = metrics.text(&[], 3);
        let series = text.lines().filter(|line| line.starts_with("keynet_activations_total{"));
        assert_eq!(series.count(), MAX_ACTIONS + 1);
        assert!(text.contains(r#"action="other",outcome="success"} 11"#), "{text}");
        assert!(text.contains(r#"action="a1",outcome="success"} 2"#));
        assert!(text.contains("keynet_loaded_actions 3") && text.ends_with("# EOF\n"));
    }

    #[test]
    fn an_activation_is_measured_by_phase() {
        let metrics = Metrics::new();
        let receipt = Receipt { guest_ns: 2_000_000, total_ns: 3_000_000, ..Receipt::default() };
        let queued = Duration::from_millis(1);
        metrics.ended(&"t".into(), "a", "success", queued, None, Some(&receipt));
        let text = metrics.text(&[], 0);
        let line = "keynet_activation_phase_seconds_sum{phase=\"total\"} 0.004";
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("phase=\"inference\""));
    }
}
