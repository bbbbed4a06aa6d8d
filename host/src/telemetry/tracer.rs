//! Traces: which activations have spans, and the way of their spans to the collector.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keynet_base::config::{Sampler, TraceConfig};
use keynet_base::error::Error;
use keynet_base::trace_context::{SpanId, TraceContext, TraceId};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::task::JoinHandle;

use super::collector::Collector;
use super::exporter::{Exporter, Queue};
use super::spans::{self, ActivationSpan};
use crate::capabilities::Recording;

/// Reason why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to the collector at {endpoint}: {error}")]
pub struct TraceError {
    /// URL of the collector.
    pub endpoint: String,
    /// Reason.
    pub error: Error,
}

/// Traces of a process.
pub struct Tracer {
    sampler: Sampler,
    queue: Queue,
    exporting: Mutex<Option<JoinHandle<()>>>,
}

/// The span of an activation that has begun.
#[derive(Debug, Clone)]
pub struct BegunSpan {
    /// The span.
    pub context: TraceContext,
    /// Span of the caller.
    pub(super) parent: Option<SpanId>,
}

impl BegunSpan {
    /// Returns what the activation records for it.
    pub fn recording(&self) -> Recording {
        Recording { trace: Some(self.context.clone()), timeline: self.context.sampled }
    }
}

impl Tracer {
    /// Begins to export the spans of this process; those that wait are sent after `delay` unless
    /// the configuration sets another. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A certificate cannot be used.
    pub fn start(config: &TraceConfig, delay: Duration) -> Result<Self, TraceError> {
        let collector = Collector::open(config)
            .map_err(|error| TraceError { endpoint: config.endpoint.to_string(), error })?;
        let resource = Resource {
            attributes: config
                .resource
                .iter()
                .map(|(name, value)| spans::text(name, value))
                .collect(),
            ..Resource::default()
        };
        let queue = Queue::new(config.queue);
        let exporter = Exporter {
            queue: queue.clone(),
            collector,
            resource,
            batch: config.batch,
            delay: config.delay.unwrap_or(delay),
            timeout: config.timeout,
        };
        let exporting = tokio::spawn(exporter.run());
        Ok(Self { sampler: config.sampler, queue, exporting: Mutex::new(Some(exporting)) })
    }

    /// Begins the span of an activation, within the trace of `caller` if there is one.
    pub fn begin(&self, caller: Option<TraceContext>) -> BegunSpan {
        match caller {
            Some(caller) => {
                let sampled = self.sampler.samples(Some(caller.sampled), caller.trace.bytes());
                let mut own = caller.with_span(SpanId::random());
                own.sampled = sampled;
                BegunSpan { context: own, parent: Some(caller.span) }
            }
            None => {
                let trace = TraceId::random();
                let sampled = self.sampler.samples(None, trace.bytes());
                BegunSpan { context: TraceContext::root(trace, sampled), parent: None }
            }
        }
    }

    /// Ends the span of an activation. Its spans are exported if the trace is sampled and they fit
    /// into the queue; nothing waits for that.
    pub fn end(&self, begun: &BegunSpan, ended: ActivationSpan<'_>) {
        if begun.context.sampled {
            self.queue.push(spans::spans(begun, ended));
        }
    }

    /// Exports the spans that are still there, for at most `time`.
    pub async fn close(&self, time: Duration) {
        let exporting = self.exporting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let until = Instant::now() + time;
        self.queue.close();
        if let Some(exporting) = exporting {
            let _ = tokio::time::timeout_at(until.into(), exporting).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use keynet_base::config::TelemetryConfig;

    fn tracer(sampler: &str) -> Tracer {
        let pairs = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            ("OTEL_TRACES_SAMPLER", sampler),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = TelemetryConfig::read(&BTreeMap::from(pairs)).unwrap().traces.unwrap();
        Tracer::start(&config, Duration::from_secs(5)).unwrap()
    }

    #[tokio::test]
    async fn an_activation_is_a_child_of_its_callers_span() {
        let caller = TraceContext::root(TraceId::random(), false);
        let begun = tracer("parentbased_always_on").begin(Some(caller.clone()));
        assert_eq!((begun.context.trace, begun.parent), (caller.trace, Some(caller.span)));
        assert!(begun.context.span != caller.span && !begun.context.sampled);
        // Servers are told of the trace, so that they follow the caller's choice too.
        let recording = begun.recording();
        assert!(recording.trace.is_some() && !recording.timeline);
        assert!(tracer("always_on").begin(Some(caller)).context.sampled);
    }

    #[tokio::test]
    async fn without_a_caller_a_trace_begins() {
        let begun = tracer("parentbased_always_on").begin(None);
        assert!(begun.context.sampled && begun.parent.is_none() && begun.recording().timeline);
        assert!(!tracer("always_off").begin(None).context.sampled);
    }
}
