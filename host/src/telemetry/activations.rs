//! Counts and times of activations.
//!
//! The number of series is bounded: actions and models beyond the first [`MAX_NAMES`] count as
//! `other`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::activation::{Failure, Receipt};
use crate::capabilities::ModelUse;

/// Actions, and versions of models, that have series of their own.
const MAX_NAMES: usize = 1_000;

/// Upper bounds of the buckets of times, in seconds.
const BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Name in place of those beyond the limit.
const OTHER: &str = "other";

/// Labels of a series. Those that do not apply are left out.
type Labels = Vec<(&'static str, String)>;

/// An activation that ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// Namespace; `None` in a process that has one.
    pub namespace: Option<&'a Arc<str>>,
    /// Name of the action.
    pub action: &'a str,
    /// `success`, or the kind of failure.
    pub outcome: &'static str,
    /// Time that it waited before the sandbox's own queue.
    pub queued: Duration,
    /// Time to load its action; `None` if it was loaded.
    pub load: Option<Duration>,
    /// The rest; `None` if it did not run.
    pub receipt: Option<&'a Receipt>,
}

/// Counter of seconds.
type Seconds = Counter<f64, std::sync::atomic::AtomicU64>;

/// Counters and histograms of activations.
#[derive(Debug)]
pub struct ActivationMetrics {
    activations: Family<Labels, Counter>,
    phases: Phases,
    calls: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    models: Family<Labels, Counter>,
    computing: Family<Labels, Seconds>,
    actions_known: Known<ActionSeries>,
    models_known: Known<()>,
}

/// Series of one action, found without making their labels anew.
#[derive(Debug, Default)]
struct ActionSeries {
    outcomes: HashMap<&'static str, Counter>,
    computing: Option<Seconds>,
}

/// Names with what is known of each.
type Names<T> = HashMap<String, T>;

/// Names that have series of their own, by namespace.
#[derive(Debug)]
struct Known<T>(Mutex<HashMap<Option<Arc<str>>, Names<T>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Known<T> {
    /// Calls `with` with `name`, or `other` if there are too many, and what is known of it.
    fn with<R>(
        &self,
        namespace: Option<&Arc<str>>,
        name: &str,
        with: impl FnOnce(&str, &mut T) -> R,
    ) -> R {
        let namespace = namespace.cloned();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get_mut(&namespace).and_then(|names| names.get_mut(name)) {
            return with(name, found);
        }
        let count: usize = known.values().map(Names::len).sum();
        let name = if count < MAX_NAMES { name } else { OTHER };
        let names = known.entry(namespace).or_default();
        with(name, names.entry(name.to_owned()).or_default())
    }
}

/// Times of activations by phase.
#[derive(Debug)]
struct Phases {
    all: Family<Labels, Histogram>,
    /// Those that were observed.
    known: Mutex<HashMap<&'static str, Histogram>>,
}

impl Phases {
    fn observe(&self, phase: &'static str, time: Duration) {
        let new = || self.all.get_or_create(&vec![("phase", phase.to_owned())]).clone();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(phase).or_insert_with(new).observe(time.as_secs_f64());
    }
}

/// Returns the outcome of an activation that ended with `failure`.
pub fn outcome_of(failure: Option<&Failure>) -> &'static str {
    match failure {
        None => "success",
        Some(Failure::Result(_)) => "developer_error",
        Some(Failure::Start(_)) => "internal_error",
        Some(_) => "application_error",
    }
}

impl ActivationMetrics {
    /// Creates metrics without values in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let all: Family<_, Histogram> = Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let phases = Phases { all, known: Mutex::default() };
        let new = Self {
            activations: Family::default(),
            phases,
            calls: Family::default(),
            bytes: Family::default(),
            models: Family::default(),
            computing: Family::default(),
            actions_known: Known::default(),
            models_known: Known::default(),
        };
        registry.register("activations", "Activations that ended", new.activations.clone());
        registry.register_with_unit(
            "activation_phase",
            "Time of activations by phase",
            Unit::Seconds,
            new.phases.all.clone(),
        );
        registry.register("import_calls", "Calls of imports by kind", new.calls.clone());
        registry.register_with_unit(
            "import",
            "Bytes of tensors and objects that calls of imports sent and received",
            Unit::Bytes,
            new.bytes.clone(),
        );
        registry.register("model_runs", "Runs of models", new.models.clone());
        registry.register_with_unit(
            "activation_computing",
            "Time that activations had a processor",
            Unit::Seconds,
            new.computing.clone(),
        );
        new
    }

    /// Counts an activation.
    pub fn ended(&self, ended: Ended<'_>) {
        self.actions_known.with(ended.namespace, ended.action, |action, series| {
            self.count(&ended, action, series);
        });
        let time = Duration::from_nanos;
        let in_sandbox = ended.receipt.map_or(Duration::ZERO, |receipt| time(receipt.queued_ns));
        self.phases.observe("queue", ended.queued + in_sandbox);
        if let Some(load) = ended.load {
            self.phases.observe("load", load);
        }
        let Some(receipt) = ended.receipt else { return };
        self.phases.observe("instantiate", time(receipt.instantiate_ns));
        self.phases.observe("guest", time(receipt.guest_ns));
        self.phases.observe("answer", time(receipt.answer_ns));
        self.phases.observe("total", ended.queued + time(receipt.total_ns));
        if receipt.inference_calls > 0 {
            self.phases.observe("inference", time(receipt.inference_ns));
            let traffic = [receipt.inference_sent, receipt.inference_received];
            self.import("inference", receipt.inference_calls, traffic);
        }
        if receipt.storage_calls > 0 {
            self.phases.observe("storage", time(receipt.storage_ns));
            let traffic = [receipt.storage_written, receipt.storage_read];
            self.import("storage", receipt.storage_calls, traffic);
        }
        for model in &receipt.models {
            self.ran(ended.namespace, model, receipt.inference_engine.as_deref());
        }
    }

    fn count(&self, ended: &Ended<'_>, action: &str, series: &mut ActionSeries) {
        let labels = || {
            let mut labels = with_namespace(ended.namespace);
            labels.push(("action", action.to_owned()));
            labels
        };
        if let Some(receipt) = ended.receipt {
            let seconds = Duration::from_nanos(receipt.computing_ns).as_secs_f64();
            let new = || self.computing.get_or_create(&labels()).clone();
            series.computing.get_or_insert_with(new).inc_by(seconds);
        }
        let new = || {
            let mut labels = labels();
            labels.push(("outcome", ended.outcome.to_owned()));
            self.activations.get_or_create(&labels).clone()
        };
        series.outcomes.entry(ended.outcome).or_insert_with(new).inc();
    }

    fn import(&self, import: &'static str, calls: u64, [sent, received]: [u64; 2]) {
        let labels = vec![("import", import.to_owned())];
        for (direction, bytes) in [("sent", sent), ("received", received)] {
            let mut labels = labels.clone();
            labels.push(("direction", direction.to_owned()));
            self.bytes.get_or_create(&labels).inc_by(bytes);
        }
        self.calls.get_or_create(&labels).inc_by(calls);
    }

    fn ran(&self, namespace: Option<&Arc<str>>, model: &ModelUse, engine: Option<&str>) {
        // A name and its version are one entry, so that both are bounded together.
        let whole = format!("{}:{}", model.name, model.version);
        let is_known = self.models_known.with(namespace, &whole, |label, ()| label == whole);
        let (name, version) =
            if is_known { (model.name.as_str(), model.version.as_str()) } else { (OTHER, "") };
        let mut labels = with_namespace(namespace);
        labels.push(("model", name.to_owned()));
        labels.push(("version", version.to_owned()));
        labels.push(("engine", engine.unwrap_or_default().to_owned()));
        self.models.get_or_create(&labels).inc_by(model.calls);
    }
}

fn with_namespace(namespace: Option<&Arc<str>>) -> Labels {
    namespace.map(|namespace| ("namespace", namespace.to_string())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{registry, text};
    use super::*;

    fn metrics() -> (Registry, ActivationMetrics) {
        let mut registry = registry();
        let metrics = ActivationMetrics::register(&mut registry);
        (registry, metrics)
    }

    fn ended<'a>(action: &'a str, receipt: Option<&'a Receipt>) -> Ended<'a> {
        let queued = Duration::from_millis(1);
        Ended { namespace: None, action, outcome: "success", queued, load: None, receipt }
    }

    #[test]
    fn series_are_bounded_and_labels_cannot_break_a_line() {
        let (registry, metrics) = metrics();
        let team: Arc<str> = "team".into();
        let mut names: Vec<String> =
            (0..MAX_NAMES + 10).map(|number| format!("a{number}")).collect();
        names.extend(["a1".to_owned(), "x\"\n} 1".to_owned()]);
        for name in &names {
            metrics.ended(Ended { namespace: Some(&team), ..ended(name, None) });
        }
        let text = text(&registry);
        let series = text.lines().filter(|line| line.starts_with("keynet_activations_total{"));
        assert_eq!(series.count(), MAX_NAMES + 1);
        assert!(text.contains(r#"{namespace="team",action="other",outcome="success"} 11"#));
        assert!(text.contains(r#"{namespace="team",action="a1",outcome="success"} 2"#));
    }

    #[test]
    fn an_activation_is_measured_by_phase_and_by_what_it_used() {
        let (registry, metrics) = metrics();
        let model = |name: &str, version: &str, calls| ModelUse {
            name: name.to_owned(),
            version: version.to_owned(),
            calls,
        };
        let receipt = Receipt {
            guest_ns: 2_000_000,
            total_ns: 3_000_000,
            inference_calls: 3,
            inference_sent: 10,
            inference_engine: Some("triton".into()),
            models: vec![model("detector", "3", 2), model("detector", "4", 1)],
            ..Receipt::default()
        };
        metrics.ended(ended("a", Some(&receipt)));
        let text = text(&registry);
        for line in [
            "keynet_activation_phase_seconds_sum{phase=\"total\"} 0.004",
            "keynet_activation_phase_seconds_count{phase=\"inference\"} 1",
            "keynet_import_calls_total{import=\"inference\"} 3",
            "keynet_import_bytes_total{import=\"inference\",direction=\"sent\"} 10",
            "keynet_model_runs_total{model=\"detector\",version=\"3\",engine=\"triton\"} 2",
            "keynet_activations_total{action=\"a\",outcome=\"success\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing: {text}");
        }
        assert!(!text.contains("phase=\"storage\"") && !text.contains("namespace="));
    }

    #[test]
    fn models_that_hostile_actions_name_are_bounded() {
        let (registry, metrics) = metrics();
        for number in 0..MAX_NAMES + 10 {
            let name = format!("m{number}");
            let models = vec![ModelUse { name, version: "1".to_owned(), calls: 1 }];
            metrics.ended(ended("a", Some(&Receipt { models, ..Receipt::default() })));
        }
        let text = text(&registry);
        let series = text.lines().filter(|line| line.starts_with("keynet_model_runs_total{"));
        assert_eq!(series.count(), MAX_NAMES + 1);
        assert!(text.contains(r#"{model="other",version="",engine=""} 10"#), "{text}");
    }
}
