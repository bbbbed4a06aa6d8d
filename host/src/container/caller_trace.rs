//! The trace of a caller: the headers of `/run`, or those that a web action's caller sent.
//!
//! OpenWhisk's invokers send no trace with `/run`. A web action gets the headers of its caller in
//! its parameters, as `__ow_headers`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use keynet_base::trace_context::TraceContext;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Parameters of a web action.
#[derive(Deserialize)]
struct WebParameters<'a> {
    #[serde(borrow, rename = "__ow_headers")]
    headers: Option<BTreeMap<Name<'a>, &'a RawValue>>,
}

/// Name of a header, not copied if it has no escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Returns the trace in the parameters of a web action, which are JSON text.
pub(super) fn of_parameters(value: &str) -> Option<TraceContext> {
    if !value.contains("__ow_headers") || !value.contains("traceparent") {
        return None;
    }
    let headers = serde_json::from_str::<WebParameters<'_>>(value).ok()?.headers?;
    let header = |name: &'static str| -> Option<String> {
        serde_json::from_str(headers.get(&Name(name.into()))?.get()).ok()
    };
    TraceContext::parse(&header("traceparent")?, header("tracestate").as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_web_action_is_in_the_trace_of_its_caller() {
        let value = format!(
            r#"{{"n": [1], "__ow_headers": {{"host": "x", "traceparent": "{PARENT}",
                "tracestate": "a=1"}}, "z": null}}"#
        );
        let found = of_parameters(&value).unwrap();
        assert_eq!((found.traceparent().as_str(), found.tracestate()), (PARENT, Some("a=1")));
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for value in [
            "{}",
            "[1]",
            r#"{"__ow_headers": {"traceparent": 1}}"#,
            r#"{"__ow_headers": ["traceparent"]}"#,
            r#"{"__ow_headers": null, "traceparent": "x"}"#,
            r#"{"x": {"__ow_headers": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}"#,
        ] {
            assert!(of_parameters(value).is_none(), "{value}");
        }
    }
}
