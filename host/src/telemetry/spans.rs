//! The spans of one activation, as OTLP has them.
//!
//! Attributes are names of the operator and of actions, numbers and kinds of errors: no text of a
//! server or of a guest, no location of an object, no URL. Names follow OpenTelemetry's semantic
//! conventions where there is one, else they begin with `keynet.`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keynet_base::quote::bounded;
use keynet_base::trace_context::{SpanId, TraceContext};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::tracer::BegunSpan;
use crate::activation::{Phase, Receipt, Timeline};
use crate::capabilities::{Call, ModelUse};

/// Characters of a name or of an attribute's value.
const MAX_TEXT: usize = 256;

/// A queue is left out of a trace if the wait was shorter than this.
const NO_WAIT: Duration = Duration::from_micros(10);

/// Bit of a span's flags: its parent may be in another process, which OTLP can tell.
const HAS_REMOTE: u32 = 1 << 8;
/// Bit of a span's flags: its parent is in another process.
const IS_REMOTE: u32 = 1 << 9;

/// An activation that ended, for its spans.
#[derive(Debug)]
pub struct ActivationSpan<'a> {
    /// Name of the action.
    pub name: &'a str,
    /// Arrival of the request.
    pub start: Instant,
    /// Time at which it had ended.
    pub end: Instant,
    /// Parts of it before it was in the sandbox.
    pub phases: Vec<Phase>,
    /// Names and values of attributes.
    pub attributes: Vec<(&'static str, String)>,
    /// Kind of failure; `None` for success.
    pub error: Option<&'static str>,
    /// What happened in the sandbox; `None` if it did not get there.
    pub ran: Option<(&'a Timeline, &'a Receipt)>,
}

/// Conversion of the process's clock to the time since 1970.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Instant,
    since_epoch: Duration,
}

impl Clock {
    fn read() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now: Instant::now(), since_epoch }
    }

    fn nanoseconds(self, at: Instant) -> u64 {
        let time = match self.now.checked_duration_since(at) {
            Some(ago) => self.since_epoch.saturating_sub(ago),
            None => self.since_epoch + (at - self.now),
        };
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Returns the spans of an activation: its own first.
pub(super) fn spans(begun: &BegunSpan, ended: ActivationSpan<'_>) -> Vec<Span> {
    let clock = Clock::read();
    let context = &begun.context;
    let mut phases = ended.phases;
    if let Some((timeline, _)) = ended.ran {
        phases.extend(timeline.phases());
    }
    phases.retain(|phase| phase.name != "queue" || phase.end - phase.start >= NO_WAIT);
    let calls = ended.ran.map_or(0, |(timeline, _)| timeline.calls.len());
    let mut spans = Vec::with_capacity(1 + phases.len() + calls);
    let mut attributes: Vec<KeyValue> =
        ended.attributes.into_iter().map(|(name, value)| text(name, &value)).collect();
    if let Some((timeline, receipt)) = ended.ran {
        attributes.push(number("keynet.memory.peak", receipt.memory_peak));
        if timeline.more_calls > 0 {
            attributes.push(number("keynet.calls.dropped", timeline.more_calls));
        }
    }
    let own = Span {
        name: bounded(ended.name, MAX_TEXT),
        kind: SpanKind::Server.into(),
        parent_span_id: begun.parent.map(id).unwrap_or_default(),
        flags: flags(context, begun.parent.is_some()),
        ..span(context, context.span, clock, ended.start, ended.end, attributes, ended.error)
    };
    spans.push(own);
    let mut guest = context.span;
    for Phase { name, start, end } in phases {
        let own = SpanId::random();
        if name == "guest" {
            guest = own;
        }
        spans.push(Span {
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            parent_span_id: id(context.span),
            ..span(context, own, clock, start, end, Vec::new(), None)
        });
    }
    let Some((timeline, receipt)) = ended.ran else { return spans };
    for call in &timeline.calls {
        let model = call.model.and_then(|at| receipt.models.get(at));
        let error = match (call.error, call.end) {
            (Some(kind), _) => Some(kind.as_str()),
            (None, None) => Some("cut-off"),
            (None, Some(_)) => None,
        };
        let attributes = attributes_of(call, model, receipt.inference_engine.as_deref());
        let end = call.end.unwrap_or(timeline.guest_ended);
        spans.push(Span {
            name: call.name.to_owned(),
            kind: SpanKind::Client.into(),
            parent_span_id: id(guest),
            ..span(context, call.span, clock, call.start, end, attributes, error)
        });
    }
    spans
}

fn attributes_of(call: &Call, model: Option<&ModelUse>, engine: Option<&str>) -> Vec<KeyValue> {
    let mut attributes = Vec::new();
    if let Some(model) = model {
        attributes.push(text("keynet.model.name", &model.name));
        attributes.push(text("keynet.model.version", &model.version));
        attributes.extend(engine.map(|engine| text("keynet.model.engine", engine)));
    }
    for (name, bytes) in
        [("keynet.bytes.sent", call.sent), ("keynet.bytes.received", call.received)]
    {
        if bytes > 0 {
            attributes.push(number(name, bytes));
        }
    }
    attributes
}

fn span(
    context: &TraceContext,
    own: SpanId,
    clock: Clock,
    start: Instant,
    end: Instant,
    mut attributes: Vec<KeyValue>,
    error: Option<&'static str>,
) -> Span {
    attributes.extend(error.map(|kind| text("error.type", kind)));
    let start = clock.nanoseconds(start);
    let end = clock.nanoseconds(end).max(start);
    Span {
        trace_id: context.trace.bytes().to_vec(),
        span_id: id(own),
        trace_state: context.tracestate().unwrap_or_default().to_owned(),
        flags: flags(context, false),
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes,
        status: error
            .map(|kind| Status { message: kind.to_owned(), code: StatusCode::Error.into() }),
        ..Span::default()
    }
}

fn flags(context: &TraceContext, remote_parent: bool) -> u32 {
    let remote = if remote_parent { IS_REMOTE } else { 0 };
    u32::from(context.sampled) | HAS_REMOTE | remote
}

fn id(span: SpanId) -> Vec<u8> {
    span.bytes().to_vec()
}

/// Returns an attribute with a text of at most [`MAX_TEXT`] characters.
pub(super) fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Value::StringValue(bounded(value, MAX_TEXT)))
}

fn number(name: &str, value: u64) -> KeyValue {
    attribute(name, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(name: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: name.to_owned(), value, ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;
    use keynet_base::limits;
    use keynet_base::trace_context::TraceId;

    fn begun(parent: Option<SpanId>) -> BegunSpan {
        BegunSpan { context: TraceContext::root(TraceId::random(), true), parent }
    }

    fn timeline(calls: Vec<Call>, more_calls: u64) -> Timeline {
        let requested = Instant::now();
        let at = |ms| requested + Duration::from_millis(ms);
        Timeline {
            requested,
            started: at(1),
            instantiated: at(2),
            guest_ended: at(8),
            ended: at(9),
            calls,
            more_calls,
        }
    }

    fn call(start: Instant, end: Option<Instant>, error: Option<ErrorKind>) -> Call {
        Call {
            name: "storage.get",
            span: SpanId::random(),
            start,
            end,
            sent: 0,
            received: 7,
            model: None,
            error,
        }
    }

    fn ended<'a>(timeline: &'a Timeline, receipt: &'a Receipt) -> ActivationSpan<'a> {
        ActivationSpan {
            name: "detector",
            start: timeline.requested,
            end: timeline.ended,
            phases: Vec::new(),
            attributes: vec![("faas.invocation_id", "x".repeat(10_000))],
            error: None,
            ran: Some((timeline, receipt)),
        }
    }

    fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
        spans.iter().find(|span| span.name == name).unwrap()
    }

    #[test]
    fn calls_lie_within_the_guests_phase_and_all_within_the_activation() {
        let receipt = Receipt::default();
        let empty = timeline(Vec::new(), 0);
        let at = |ms| empty.requested + Duration::from_millis(ms);
        let calls =
            vec![call(at(3), Some(at(4)), None), call(at(5), None, Some(ErrorKind::NotFound))];
        let timeline = Timeline { calls, ..empty };
        let parent = SpanId::random();
        let spans = spans(&begun(Some(parent)), ended(&timeline, &receipt));
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        let expected =
            ["detector", "queue", "instantiate", "guest", "answer", "storage.get", "storage.get"];
        assert_eq!(names, expected);
        assert_eq!(spans[0].parent_span_id, parent.bytes());
        assert_eq!(spans[0].flags, 1 | HAS_REMOTE | IS_REMOTE);
        assert_eq!(named(&spans, "queue").parent_span_id, spans[0].span_id);
        let guest = named(&spans, "guest");
        for call in &spans[5..] {
            assert_eq!(call.parent_span_id, guest.span_id);
            assert!(call.start_time_unix_nano >= guest.start_time_unix_nano);
            assert!(call.end_time_unix_nano <= guest.end_time_unix_nano);
        }
        assert_eq!(guest.end_time_unix_nano - guest.start_time_unix_nano, 6_000_000);
        let failed = spans[6].status.as_ref().unwrap();
        assert_eq!((failed.message.as_str(), failed.code), ("not-found", 2));
        assert_eq!(spans[6].end_time_unix_nano, guest.end_time_unix_nano);
    }

    #[test]
    fn the_spans_of_a_hostile_guest_are_bounded_in_number_and_length() {
        let receipt = Receipt::default();
        let now = Instant::now();
        let calls = (0..limits::CALLS).map(|_| call(now, Some(now), None)).collect();
        let timeline = timeline(calls, 5);
        let phase = |name| Phase { name, start: now, end: now };
        let more = vec![phase("queue"), phase("load")];
        let name = "n".repeat(1 << 20);
        let ended = ActivationSpan { name: &name, phases: more, ..ended(&timeline, &receipt) };
        let spans = spans(&begun(None), ended);
        assert!(spans.len() <= 128, "{}", spans.len());
        assert!(spans[0].name.chars().count() <= MAX_TEXT + 1);
        let dropped = spans[0].attributes.iter().find(|own| own.key == "keynet.calls.dropped");
        assert_eq!(dropped.unwrap().value, number("", 5).value);
        let bytes: usize = spans.iter().map(prost::Message::encoded_len).sum();
        assert!(bytes < 64 << 10, "{bytes}");
    }

    #[test]
    fn a_time_before_the_clock_was_read_is_converted_as_one_after() {
        let clock = Clock::read();
        let second = Duration::from_secs(1);
        let (before, after) = (clock.now - second, clock.now + second);
        assert_eq!(clock.nanoseconds(after) - clock.nanoseconds(before), 2_000_000_000);
    }
}
