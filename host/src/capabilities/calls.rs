//! The calls of one activation: the models that ran, for its receipt, and the calls that waited for
//! a server, for its timeline.
//!
//! A guest can make any number of calls, and a server can report any name: both are kept within
//! limits, and what is beyond them is counted.

use std::time::Instant;

use keynet_base::error::{Error, ErrorKind};
use keynet_base::limits;
use keynet_base::quote::bounded;
use keynet_base::redaction::redact;
use keynet_base::trace_context::{SpanId, TraceContext};
use serde::{Deserialize, Serialize};

use super::CallError;

/// Characters of a model's name in a receipt or a trace.
const MAX_NAME: usize = 128;

/// What an activation records beside its receipt.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// Its span, which is sent to the servers that it calls; `None` for none.
    pub trace: Option<TraceContext>,
    /// `true` to record its timeline.
    pub timeline: bool,
}

/// A call of an import that waited for a server.
#[derive(Debug, Clone)]
pub struct Call {
    /// Interface and function, such as `storage.get`.
    pub name: &'static str,
    /// Span that was sent to the server.
    pub span: SpanId,
    /// Start.
    pub start: Instant,
    /// End; `None` if the activation ended first.
    pub end: Option<Instant>,
    /// Bytes of tensors or of an object that were sent.
    pub sent: u64,
    /// Bytes of tensors or of an object that were received.
    pub received: u64,
    /// Position of the model that ran first, among the activation's models.
    pub model: Option<usize>,
    /// Kind of the error that the guest got.
    pub error: Option<ErrorKind>,
}

/// A version of a model that ran in an activation. The order of the fields is the format of stored
/// records, as that of [`Receipt`](crate::Receipt)'s fields is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUse {
    /// Name on the server, without secrets and cut after 128 characters.
    pub name: String,
    /// Version as the server reports it; empty if it reports none.
    pub version: String,
    /// Number of times that it ran.
    pub calls: u64,
}

/// Recorded calls of an activation.
#[derive(Debug, Default)]
pub(super) struct Calls {
    recording: Recording,
    kept: Vec<Call>,
    more: u64,
    /// `true` while the last of `kept` is in progress.
    is_open: bool,
    models: Vec<ModelUse>,
}

impl Calls {
    pub(super) fn new(recording: Recording) -> Self {
        Self { recording, ..Self::default() }
    }

    /// Begins a call that sends `sent` bytes.
    pub(super) fn begin(&mut self, name: &'static str, start: Instant, sent: u64) {
        if !self.recording.timeline {
            return;
        }
        self.is_open = self.kept.len() < limits::CALLS;
        if !self.is_open {
            self.more += 1;
            return;
        }
        self.kept.push(Call {
            name,
            span: SpanId::random(),
            start,
            end: None,
            sent,
            received: 0,
            model: None,
            error: None,
        });
    }

    /// Ends the call in progress.
    pub(super) fn end(&mut self, end: Instant, error: Option<ErrorKind>) {
        if let Some(call) = self.open() {
            (call.end, call.error) = (Some(end), error);
        }
    }

    /// Adds bytes that the last call received.
    pub(super) fn received(&mut self, bytes: u64) {
        if let Some(call) = self.open() {
            call.received += bytes;
        }
    }

    /// Counts a run of a model.
    pub(super) fn ran(&mut self, name: &str, version: &str) {
        let same = |used: &ModelUse| used.name == name && used.version == version;
        let found = self.models.iter().position(same);
        if let Some(used) = found.and_then(|at| self.models.get_mut(at)) {
            used.calls += 1;
        } else if self.models.len() < limits::MODELS_USED {
            let (name, version) = (name.to_owned(), version.to_owned());
            self.models.push(ModelUse { name, version, calls: 1 });
        } else {
            return;
        }
        let at = found.unwrap_or(self.models.len() - 1);
        if let Some(call) = self.open() {
            call.model = call.model.or(Some(at));
        }
    }

    fn open(&mut self) -> Option<&mut Call> {
        self.kept.last_mut().filter(|_| self.is_open)
    }

    /// Returns the span of the call in progress, or that of the activation.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        let trace = self.recording.trace.as_ref()?;
        let call = self.kept.last().filter(|call| self.is_open && call.end.is_none());
        Some(call.map_or_else(|| trace.clone(), |call| trace.with_span(call.span)))
    }

    /// Returns the recorded calls, and the number of the further ones; `None` if none are recorded.
    pub(super) fn take(&mut self) -> Option<(Vec<Call>, u64)> {
        self.recording.timeline.then(|| (std::mem::take(&mut self.kept), self.more))
    }

    /// Returns the models that ran, as they can be shown.
    pub(super) fn models(&self) -> Vec<ModelUse> {
        let shown = |used: &ModelUse| ModelUse {
            name: redact(&bounded(&used.name, MAX_NAME)).into_owned(),
            version: bounded(&used.version, MAX_NAME),
            calls: used.calls,
        };
        self.models.iter().map(shown).collect()
    }
}

/// Result of a call, as far as its record needs it.
pub(crate) trait CallResult {
    /// Returns the kind of the error; `None` for success.
    fn failure(&self) -> Option<ErrorKind>;
}

impl<T> CallResult for Result<T, Error> {
    fn failure(&self) -> Option<ErrorKind> {
        self.as_ref().err().map(|error| error.kind)
    }
}

impl<T> CallResult for Result<T, CallError> {
    fn failure(&self) -> Option<ErrorKind> {
        match self {
            Ok(_) => None,
            Err(CallError::Answer(error)) => Some(error.kind),
            Err(CallError::Trap(_)) => Some(ErrorKind::Internal),
        }
    }
}

/// The first failure counts.
impl<T: CallResult> CallResult for Vec<T> {
    fn failure(&self) -> Option<ErrorKind> {
        self.iter().find_map(CallResult::failure)
    }
}

impl<T: CallResult> CallResult for Option<T> {
    fn failure(&self) -> Option<ErrorKind> {
        self.as_ref().and_then(CallResult::failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::trace_context::TraceId;

    fn recorded() -> Calls {
        let trace = Some(TraceContext::root(TraceId::random(), true));
        Calls::new(Recording { trace, timeline: true })
    }

    #[test]
    fn a_guest_that_calls_without_end_leaves_a_bounded_record() {
        let mut calls = recorded();
        let now = Instant::now();
        for number in 0..10_000_u64 {
            calls.begin("storage.get", now, 1);
            calls.ran(&format!("m{number}"), "1");
            calls.end(now, None);
            calls.received(2);
        }
        assert_eq!(calls.models().len(), limits::MODELS_USED);
        let (kept, more) = calls.take().unwrap();
        assert_eq!((kept.len(), more), (limits::CALLS, 10_000 - limits::CALLS as u64));
        assert!(kept.iter().all(|call| call.end.is_some() && (call.sent, call.received) == (1, 2)));
    }

    #[test]
    fn a_server_sees_the_span_of_its_call_and_the_activations_beyond_the_limit() {
        let mut calls = recorded();
        let own = calls.trace().unwrap();
        let now = Instant::now();
        calls.begin("storage.get", now, 0);
        let of_call = calls.trace().unwrap();
        assert!(of_call.trace == own.trace && of_call.span == calls.kept[0].span);
        calls.end(now, Some(ErrorKind::NotFound));
        assert_eq!(calls.trace(), Some(own.clone()));
        for _ in 0..limits::CALLS {
            calls.begin("storage.get", now, 0);
        }
        assert_eq!(calls.trace(), Some(own));
    }

    #[test]
    fn a_model_is_counted_by_version_and_its_name_shows_no_secret() {
        let mut calls = Calls::default();
        calls.ran("detector", "3");
        calls.ran("detector", "3");
        calls.ran("detector", "4");
        calls.ran(&format!("https://ada:hunter2@x/{}", "n".repeat(1000)), "");
        let models = calls.models();
        let first = ModelUse { name: "detector".to_owned(), version: "3".to_owned(), calls: 2 };
        assert_eq!((models.len(), &models[0]), (3, &first));
        assert!(!models[2].name.contains("hunter2") && models[2].name.chars().count() < 140);
        assert!(calls.take().is_none() && calls.trace().is_none());
    }
}
