//! State that all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keynet_base::trace_context::TraceContext;
use keynet_host::http::{Drain, Intake};
use keynet_host::telemetry::{BegunSpan, Tracer};

use crate::catalog::Catalog;
use crate::loading::Loader;
use crate::metrics::{Metrics, NamespaceState};
use crate::records::Records;
use crate::tenants::{Namespace, Tenants};

/// A node.
pub struct Node {
    /// Its URL, as actions see it in `__OW_API_HOST`.
    pub url: String,
    /// Namespaces.
    pub tenants: Tenants,
    /// Actions and packages.
    pub catalog: Catalog,
    /// Components of the actions.
    pub loader: Loader,
    /// Activation records.
    pub records: Records,
    /// Shutdown.
    pub drain: Drain,
    /// Bodies of requests.
    pub intake: Intake,
    /// Metrics.
    pub metrics: Metrics,
    /// Traces; `None` if they are off.
    pub tracer: Option<Tracer>,
    /// Activations that have no record yet.
    pub under_way: UnderWay,
}

impl Node {
    /// Returns the text of the metrics.
    pub fn metrics_text(&self) -> String {
        let state = |namespace: Arc<Namespace>| {
            let memory = &namespace.settings().shared.memory;
            NamespaceState {
                name: Arc::clone(&namespace.name),
                running: namespace.lane.running(),
                waiting: namespace.lane.waiting(),
                memory: memory.used(),
                memory_limit: memory.limit(),
                records: self.records.usage(&namespace.name),
                computed: namespace.lane.computed(),
            }
        };
        let namespaces: Vec<_> = self.tenants.all().into_iter().map(state).collect();
        self.metrics.text(self.loader.sandbox(), &namespaces, self.loader.count())
    }

    /// Begins the span of an activation or a sequence, if traces are on.
    pub fn begin_span(&self, caller: Option<&TraceContext>) -> Option<BegunSpan> {
        self.tracer.as_ref().map(|tracer| tracer.begin(caller.cloned()))
    }
}

/// Number of activations, and of sequences, from their acceptance to their record.
#[derive(Default)]
pub struct UnderWay(Arc<AtomicUsize>);

/// One of them; it has ended when this is dropped.
pub struct OneUnderWay(Arc<AtomicUsize>);

impl UnderWay {
    /// Counts one more.
    pub fn begin(&self) -> OneUnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneUnderWay(Arc::clone(&self.0))
    }

    /// Reports whether there is any.
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for OneUnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
