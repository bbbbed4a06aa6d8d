//! What a backend learns of the activation that calls it, and reports to it, beside the call's
//! [`CallBudget`](crate::budget::CallBudget).
//!
//! An activation runs as one task. It sets its [`CallObserver`] for the task; the clients of
//! servers, which know no activation, ask here for the headers of their requests and report the
//! models that ran. Without an observer nothing is sent and nothing is reported.

use std::sync::Arc;

use http::HeaderMap;

use crate::trace_context::TraceContext;

/// Observer of the calls of one activation.
pub trait CallObserver: Send + Sync {
    /// Returns the span of the call in progress; `None` if the activation is not traced.
    fn trace(&self) -> Option<TraceContext>;

    /// Reports that `version` of `model` ran for the call in progress.
    fn ran(&self, model: &str, version: &str);
}

tokio::task_local! {
    static OBSERVER: Arc<dyn CallObserver>;
}

/// Runs `calls` with `observer`.
pub async fn observed<T>(observer: Arc<dyn CallObserver>, calls: impl Future<Output = T>) -> T {
    OBSERVER.scope(observer, calls).await
}

/// Returns the span of the call in progress; `None` if it is not traced.
pub fn trace() -> Option<TraceContext> {
    OBSERVER.try_with(|observer| observer.trace()).ok().flatten()
}

/// Adds the headers of the call's trace to a request.
pub fn add_trace_headers(headers: &mut HeaderMap) {
    if let Some(trace) = trace() {
        trace.set_headers(headers);
    }
}

/// Reports that `version` of `model` ran for the call in progress.
pub fn report_model(model: &str, version: &str) {
    let _ = OBSERVER.try_with(|observer| observer.ran(model, version));
}

/// Returns `work` for a task of its own, whose requests belong to the span of the call in progress
/// now.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let span = trace();
    async move {
        match span {
            Some(span) => OBSERVER.scope(Arc::new(Span(span)), work).await,
            None => work.await,
        }
    }
}

/// Observer of work that goes on beside the activation.
struct Span(TraceContext);

impl CallObserver for Span {
    fn trace(&self) -> Option<TraceContext> {
        Some(self.0.clone())
    }

    fn ran(&self, _: &str, _: &str) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::trace_context::TraceId;

    struct Noted(TraceContext, Mutex<Vec<String>>);

    impl CallObserver for Noted {
        fn trace(&self) -> Option<TraceContext> {
            Some(self.0.clone())
        }

        fn ran(&self, model: &str, version: &str) {
            self.1.lock().unwrap().push(format!("{model}:{version}"));
        }
    }

    #[tokio::test]
    async fn work_of_a_task_of_its_own_belongs_to_the_span_that_began_it() {
        let context = TraceContext::root(TraceId::random(), true);
        let noted = Arc::new(Noted(context.clone(), Mutex::default()));
        let observer: Arc<dyn CallObserver> = Arc::clone(&noted) as _;
        let seen = observed(observer, async {
            report_model("detector", "3");
            tokio::spawn(carried(async { trace() })).await.unwrap()
        });
        assert_eq!(seen.await, Some(context));
        assert_eq!(*noted.1.lock().unwrap(), ["detector:3"]);
        assert_eq!(trace(), None);
        report_model("detector", "3");
        let mut headers = HeaderMap::new();
        add_trace_headers(&mut headers);
        assert!(headers.is_empty());
    }
}
