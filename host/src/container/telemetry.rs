//! Metrics and traces of a container.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keynet_base::config::TelemetryConfig;
use keynet_base::trace_context::TraceContext;
use prometheus_client::registry::Registry;
use tracing::field::display;

use super::lifecycle::{Container, Loaded};
use crate::activation::{ActivationRequest, Outcome, Receipt, Timeline};
use crate::telemetry::{
    self, ActivationMetrics, ActivationSpan, BegunSpan, Ended, SandboxMetrics, Tracer, outcome_of,
    serve_metrics,
};

/// Time that a span waits for others. OpenWhisk may freeze a container a moment after it has
/// answered: what has not been sent by then waits until the next activation, or is lost.
const DELAY: Duration = Duration::from_millis(10);

/// Time to send the last spans when the container is stopped.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// Metrics and traces of a container, each if it is on.
#[derive(Default)]
pub(super) struct Telemetry {
    metrics: Option<Metrics>,
    tracer: Option<Tracer>,
}

struct Metrics {
    registry: Registry,
    activations: ActivationMetrics,
    sandbox: SandboxMetrics,
}

impl Telemetry {
    /// Begins the export of traces. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A certificate for the collector cannot be used.
    pub(super) fn start(config: &TelemetryConfig) -> io::Result<Self> {
        config.hide_secrets();
        let tracer = config.traces.as_ref().map(|traces| Tracer::start(traces, DELAY));
        let metrics = config.metrics.map(|_| {
            let mut registry = telemetry::registry();
            let activations = ActivationMetrics::register(&mut registry);
            let sandbox = SandboxMetrics::register(&mut registry);
            Metrics { registry, activations, sandbox }
        });
        Ok(Self { metrics, tracer: tracer.transpose().map_err(io::Error::other)? })
    }

    /// Begins the span of an activation, if traces are on. `caller` returns the caller's span.
    pub(super) fn begin(&self, caller: impl FnOnce() -> Option<TraceContext>) -> Option<BegunSpan> {
        self.tracer.as_ref().map(|tracer| tracer.begin(caller()))
    }

    /// Reports whether traces are on.
    pub(super) fn is_tracing(&self) -> bool {
        self.tracer.is_some()
    }

    /// Records an activation that ran.
    pub(super) fn ended(&self, loaded: &Loaded, activation: &Activation, outcome: &Outcome) {
        let label = outcome_of(outcome.result.as_ref().err());
        let error = outcome.result.is_err().then_some(label);
        let trace = activation.span.as_ref().map(|begun| display(begun.context.trace));
        let action = &loaded.action.description().name;
        tracing::debug!(action, trace, receipt = %outcome.receipt.line(), "an activation ended");
        self.count(loaded, label, Some(&outcome.receipt));
        let ran = outcome.timeline.as_deref().map(|timeline| (timeline, &outcome.receipt));
        self.end(loaded, activation, error, ran);
    }

    /// Records an activation that did not run to its end.
    pub(super) fn failed(&self, loaded: &Loaded, activation: &Activation, label: &'static str) {
        self.count(loaded, label, None);
        self.end(loaded, activation, Some(label), None);
    }

    /// Counts a request that is not run.
    pub(super) fn refused(&self, loaded: &Loaded) {
        self.count(loaded, "refused", None);
    }

    fn count(&self, loaded: &Loaded, outcome: &'static str, receipt: Option<&Receipt>) {
        if let Some(metrics) = &self.metrics {
            metrics.activations.ended(Ended {
                namespace: None,
                action: &loaded.action.description().name,
                outcome,
                queued: Duration::ZERO,
                load: None,
                receipt,
            });
        }
    }

    fn end(
        &self,
        loaded: &Loaded,
        activation: &Activation,
        error: Option<&'static str>,
        ran: Option<(&Timeline, &Receipt)>,
    ) {
        let (Some(tracer), Some(begun)) = (&self.tracer, &activation.span) else { return };
        let name = &loaded.action.description().name;
        let mut attributes = vec![
            ("faas.name", name.clone()),
            ("keynet.component", loaded.action.digest().to_string()),
        ];
        if let Some(id) = &activation.id {
            attributes.push(("faas.invocation_id", id.clone()));
        }
        tracer.end(
            begun,
            ActivationSpan {
                name,
                start: activation.arrived,
                end: Instant::now(),
                phases: Vec::new(),
                attributes,
                error,
                ran,
            },
        );
    }

    /// Sends the spans that are still there.
    pub(super) async fn close(&self) {
        if let Some(tracer) = &self.tracer {
            tracer.close(LAST_SPANS).await;
        }
    }
}

/// An activation of the container, for its record.
pub(super) struct Activation {
    /// Arrival of its request.
    pub(super) arrived: Instant,
    /// Id, if OpenWhisk sent one.
    pub(super) id: Option<String>,
    /// Span, if traces are on.
    pub(super) span: Option<BegunSpan>,
}

impl Activation {
    /// Sets what `request` records.
    pub(super) fn record(&self, request: &mut ActivationRequest) {
        request.recording = self.span.as_ref().map(BegunSpan::recording).unwrap_or_default();
    }
}

/// Serves the metrics of `container`, if it has an address for them.
///
/// # Errors
/// The address cannot be used.
pub(super) fn serve(container: &Arc<Container>) -> io::Result<()> {
    let Some(address) = container.config.telemetry.metrics else { return Ok(()) };
    let container = Arc::clone(container);
    serve_metrics(address, move || text(&container))
        .map_err(|error| io::Error::new(error.error.kind(), format!("KEYNET_METRICS: {error}")))
}

fn text(container: &Container) -> String {
    let Some(metrics) = &container.telemetry.metrics else { return String::new() };
    if let Some(loaded) = container.loaded() {
        metrics.sandbox.set(loaded.host.sandbox());
    }
    telemetry::text(&metrics.registry)
}
