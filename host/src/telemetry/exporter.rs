//! The queue of spans, and the task that sends them to the collector.
//!
//! An activation puts its spans into the queue and goes on. A queue that is full and a collector
//! that does not answer lose spans, which are counted; they delay nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keynet_base::counters;
use keynet_base::retry::RetryPolicy;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::Notify;

use super::collector::{Collector, Refused};

/// Attempts to send one batch, within its time limit.
const POLICY: RetryPolicy =
    RetryPolicy { times: 3, first: Duration::from_millis(250), longest: Duration::from_secs(2) };

/// Spans that wait for the exporter. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    waiting: Mutex<Waiting>,
    /// Notified when spans arrive, and when the queue is closed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    spans: Vec<Span>,
    is_closed: bool,
}

impl Queue {
    /// Creates a queue of at most `limit` spans.
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, waiting: Mutex::default(), changed: Notify::new() }))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the spans of an activation: all of them, or none if there is no room.
    pub(super) fn push(&self, spans: Vec<Span>) {
        let mut waiting = self.waiting();
        if waiting.is_closed || waiting.spans.len() + spans.len() > self.0.limit {
            counters::SPANS_DROPPED.add(spans.len() as u64);
            return;
        }
        waiting.spans.extend(spans);
        drop(waiting);
        self.0.changed.notify_one();
    }

    /// Takes no more spans: the exporter sends those that are there, and ends.
    pub(super) fn close(&self) {
        self.waiting().is_closed = true;
        self.0.changed.notify_one();
    }

    /// Returns the next batch of at most `most` spans, which may wait for others for `delay`;
    /// `None` if the queue is closed and empty.
    async fn batch(&self, most: usize, delay: Duration) -> Option<Vec<Span>> {
        loop {
            let changed = self.0.changed.notified();
            let (count, is_closed) = {
                let waiting = self.waiting();
                (waiting.spans.len(), waiting.is_closed)
            };
            match (count, is_closed) {
                (0, true) => return None,
                (0, false) => changed.await,
                _ => break,
            }
        }
        self.gathered(most, delay).await;
        let mut waiting = self.waiting();
        let count = waiting.spans.len().min(most);
        Some(waiting.spans.drain(..count).collect())
    }

    /// Waits for a full batch, for the end, or for `delay`.
    async fn gathered(&self, most: usize, delay: Duration) {
        let full = async {
            loop {
                let changed = self.0.changed.notified();
                let is_enough = {
                    let waiting = self.waiting();
                    waiting.spans.len() >= most || waiting.is_closed
                };
                if is_enough {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(delay, full).await;
    }
}

/// Task that sends the spans of a queue.
pub(super) struct Exporter {
    pub(super) queue: Queue,
    pub(super) collector: Collector,
    pub(super) resource: Resource,
    /// Most spans of one request.
    pub(super) batch: usize,
    /// Time that a span waits for others.
    pub(super) delay: Duration,
    /// Time limit of one batch, with its retries.
    pub(super) timeout: Duration,
}

impl Exporter {
    /// Sends spans until the queue is closed and empty.
    pub(super) async fn run(self) {
        let mut is_failing = false;
        while let Some(spans) = self.queue.batch(self.batch, self.delay).await {
            let count = spans.len() as u64;
            let sent = tokio::time::timeout(self.timeout, self.send(spans)).await;
            let sent = sent.unwrap_or_else(|_| Err(Refused::again("it did not answer in time")));
            match sent {
                Ok(rejected) => {
                    let rejected = rejected.min(count);
                    counters::SPANS_EXPORTED.add(count - rejected);
                    counters::SPANS_DROPPED.add(rejected);
                    is_failing = false;
                }
                Err(Refused { why, .. }) => {
                    counters::SPANS_DROPPED.add(count);
                    // Once for each time that the collector fails.
                    if !std::mem::replace(&mut is_failing, true) {
                        let collector = self.collector.url();
                        tracing::warn!(
                            collector,
                            why,
                            "the collector takes no spans; they are \
                            dropped until it does"
                        );
                    }
                }
            }
        }
    }

    /// Sends one batch, and returns the number of spans that the collector rejected.
    async fn send(&self, spans: Vec<Span>) -> Result<u64, Refused> {
        let scope = InstrumentationScope {
            name: "keynet-host".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        let resource = Some(self.resource.clone());
        let spans =
            ResourceSpans { resource, scope_spans: vec![spans], ..ResourceSpans::default() };
        let request = ExportTraceServiceRequest { resource_spans: vec![spans] };
        let mut pauses = POLICY.pauses();
        loop {
            let refused = match self.collector.export(&request).await {
                Ok(rejected) => return Ok(rejected),
                Err(refused) => refused,
            };
            let Some(pause) = pauses.after_failure().filter(|_| refused.again) else {
                return Err(refused);
            };
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(count: usize) -> Vec<Span> {
        vec![Span::default(); count]
    }

    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_full_queue_drops_an_activation_as_a_whole_and_counts_its_spans() {
        let queue = Queue::new(10);
        let before = counters::SPANS_DROPPED.get();
        queue.push(spans(6));
        queue.push(spans(5));
        queue.push(spans(4));
        assert!(counters::SPANS_DROPPED.get() >= before + 5);
        assert_eq!(queue.batch(8, Duration::ZERO).await.unwrap().len(), 8);
        queue.close();
        assert_eq!(queue.batch(8, NEVER).await.unwrap().len(), 2);
        assert_eq!(queue.batch(8, NEVER).await, None);
        queue.push(spans(1));
        assert_eq!(queue.batch(8, NEVER).await, None);
    }

    #[tokio::test]
    async fn a_batch_waits_for_others_until_it_is_full_or_the_end_has_come() {
        let queue = Queue::new(100);
        let taking = {
            let queue = queue.clone();
            tokio::spawn(async move { (queue.batch(3, NEVER).await, queue.batch(3, NEVER).await) })
        };
        for _ in 0..4 {
            queue.push(spans(1));
            tokio::task::yield_now().await;
        }
        queue.close();
        let (first, last) = taking.await.unwrap();
        let (first, last) = (first.unwrap().len(), last.unwrap().len());
        assert_eq!(first + last, 4);
        assert!(first >= 3, "{first}");
    }
}
