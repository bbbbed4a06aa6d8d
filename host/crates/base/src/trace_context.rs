//! The trace and the span that a request belongs to, as W3C headers carry them.
//!
//! Source: <https://www.w3.org/TR/trace-context/>. A header that is not valid counts as missing, as
//! that page requires.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// `traceparent`: the ids of the trace and of the caller's span.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `tracestate`: a text of the tracing systems on the way, which is passed on unchanged.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Largest `tracestate` that is passed on, in bytes.
const MAX_STATE: usize = 512;

/// Id of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// Id of a span: 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// A span of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// Trace.
    pub trace: TraceId,
    /// Span.
    pub span: SpanId,
    /// `true` if the spans of the trace are recorded.
    pub sampled: bool,
    /// `tracestate`.
    state: Option<Arc<str>>,
}

impl TraceId {
    /// Returns a new id.
    pub fn random() -> Self {
        Self(fastrand::u128(1..).to_be_bytes())
    }

    /// Returns the 16 bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// Returns a new id.
    pub fn random() -> Self {
        Self(fastrand::u64(1..).to_be_bytes())
    }

    /// Returns the 8 bytes.
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TraceContext {
    /// Returns the first span of a new trace.
    pub fn root(trace: TraceId, sampled: bool) -> Self {
        Self { trace, span: SpanId::random(), sampled, state: None }
    }

    /// Returns the context of another span of the same trace.
    #[must_use]
    pub fn with_span(&self, span: SpanId) -> Self {
        Self { span, ..self.clone() }
    }

    /// Parses the values of the two headers; `None` if `traceparent` is not valid.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let text = traceparent.trim_ascii();
        let (version, rest) = (text.get(..2)?, text.get(2..)?);
        let version = one_byte(version).filter(|version| *version != 0xff)?;
        let (ids, more) = (rest.get(..53)?, rest.get(53..)?);
        // A later version may have more fields, which are left out.
        if !more.is_empty() && (version == 0 || !more.starts_with('-')) {
            return None;
        }
        let mut fields = ids.strip_prefix('-')?.split('-');
        let (trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        let sampled = one_byte(flags)? & 1 == 1;
        let (trace, span) = (TraceId(lower_hex(trace)?), SpanId(lower_hex(span)?));
        if trace.0 == [0; 16] || span.0 == [0; 8] {
            return None;
        }
        let state = tracestate.map(str::trim_ascii).filter(|state| is_state(state));
        Some(Self { trace, span, sampled, state: state.map(Arc::from) })
    }

    /// Reads the headers of a request.
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = parents.next()?.to_str().ok()?;
        if parents.next().is_some() {
            return None;
        }
        let states = headers.get_all(TRACESTATE).iter().filter_map(|value| value.to_str().ok());
        let states: Vec<&str> = states.collect();
        Self::parse(parent, (!states.is_empty()).then(|| states.join(",")).as_deref())
    }

    /// Returns the value of `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-0{}", self.trace, self.span, u8::from(self.sampled))
    }

    /// Returns the value of `tracestate`.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Sets the headers of a request.
    pub fn set_headers(&self, headers: &mut HeaderMap) {
        // Hexadecimal digits and a text that was checked are always valid values.
        if let Ok(parent) = HeaderValue::from_str(&self.traceparent()) {
            headers.insert(TRACEPARENT, parent);
        }
        if let Some(Ok(state)) = self.tracestate().map(HeaderValue::from_str) {
            headers.insert(TRACESTATE, state);
        }
    }
}

fn is_state(state: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
    !state.is_empty() && state.len() <= MAX_STATE && state.bytes().all(visible)
}

fn one_byte(digits: &str) -> Option<u8> {
    lower_hex::<1>(digits).map(|[byte]| byte)
}

/// Parses hexadecimal digits; the headers have no capital ones.
fn lower_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = !digits.bytes().any(|digit| digit.is_ascii_uppercase());
    (is_lower && hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_callers_headers_come_out_as_they_went_in() {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
        headers.append(TRACESTATE, HeaderValue::from_static("a=1"));
        headers.append(TRACESTATE, HeaderValue::from_static("b=2 "));
        let context = TraceContext::of_headers(&headers).unwrap();
        assert_eq!(context.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.sampled);
        let mut sent = HeaderMap::new();
        context.set_headers(&mut sent);
        assert_eq!(sent.get("traceparent").unwrap(), PARENT);
        assert_eq!(sent.get("tracestate").unwrap(), "a=1,b=2");
        let child = context.with_span(SpanId::random());
        assert_eq!((child.trace, child.tracestate()), (context.trace, Some("a=1,b=2")));
        assert_ne!(child.span, context.span);
    }

    #[test]
    fn what_is_no_traceparent_is_left_out() {
        let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{ids}"),
            format!("00-{ids}-1"),
            format!("00-{ids}-01-more"),
            format!("ff-{ids}-01"),
            format!("00-{}-01", ids.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)),
            format!("00-{ids}é01"),
            "é".repeat(60),
            "-".repeat(55),
        ] {
            assert_eq!(TraceContext::parse(&wrong, None), None, "{wrong}");
        }
        let later = TraceContext::parse(&format!("01-{ids}-03-more"), None).unwrap();
        assert_eq!(later.traceparent(), format!("00-{ids}-01"));
        let mut twice = HeaderMap::new();
        twice.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        twice.append(TRACEPARENT, HeaderValue::from_static(PARENT));
        assert_eq!(TraceContext::of_headers(&twice), None);
    }

    #[test]
    fn a_state_that_is_long_or_steers_a_header_is_not_passed_on() {
        for state in ["a=1\r\nauthorization: x", "", &"a".repeat(MAX_STATE + 1)] {
            let context = TraceContext::parse(PARENT, Some(state)).unwrap();
            assert_eq!(context.tracestate(), None);
        }
    }

    #[test]
    fn new_ids_differ_and_are_not_zero() {
        let root = TraceContext::root(TraceId::random(), false);
        let other = TraceContext::root(TraceId::random(), false);
        assert!(root.trace != other.trace && root.span != other.span);
        assert!(TraceContext::parse(&root.traceparent(), None).is_some_and(|same| same == root));
    }
}
