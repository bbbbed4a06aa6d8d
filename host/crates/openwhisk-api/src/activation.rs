//! Activation records: status, result and logs of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::action::KeyValue;

/// Activation record. In a list without documents it has neither response nor logs.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    /// Id: 32 hexadecimal digits.
    pub activation_id: String,
    /// Name of the action.
    pub name: String,
    /// Namespace that it ran in.
    #[serde(default)]
    pub namespace: String,
    /// Version of the action.
    #[serde(default)]
    pub version: String,
    /// Start, in milliseconds since 1970.
    #[serde(default)]
    pub start: u64,
    /// End, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// Duration in milliseconds, including `/init`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Status and result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Log lines of the form `TIME STREAM: TEXT`.
    #[serde(default)]
    pub logs: Vec<String>,
    /// `waitTime`, `initTime` and more.
    #[serde(default)]
    pub annotations: Vec<KeyValue>,
}

/// Status and result of a run.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Response {
    /// `success`, `application error`, `action developer error`, `whisk internal error`.
    pub status: String,
    /// True if the status is `success`.
    #[serde(default)]
    pub success: bool,
    /// Result; an error is an object with `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
}

/// Status of an activation that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has a result.
    Success,
    /// Its result is an object with `error`.
    ApplicationError,
    /// The action cannot be run, or its result cannot be used.
    DeveloperError,
    /// The host is at fault.
    Internal,
}

impl Status {
    /// Returns OpenWhisk's number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the status that has OpenWhisk's number `code`.
    pub fn of_code(code: u8) -> Option<Self> {
        [Self::Success, Self::ApplicationError, Self::DeveloperError, Self::Internal]
            .into_iter()
            .find(|status| status.code() == code)
    }

    /// Returns OpenWhisk's text, as in [`Response::status`].
    pub fn text(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ApplicationError => "application error",
            Self::DeveloperError => "action developer error",
            Self::Internal => "whisk internal error",
        }
    }

    /// Returns its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ApplicationError => "application_error",
            Self::DeveloperError => "developer_error",
            Self::Internal => "internal_error",
        }
    }
}

/// Reports whether the text has the form of an activation's id.
pub fn is_id(text: &str) -> bool {
    text.len() == 32
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Returns a log line without its time and stream.
pub fn strip(line: &str) -> &str {
    let stripped = line.split_once(' ').and_then(|(_, rest)| {
        let rest = rest.trim_start();
        rest.strip_prefix("stdout: ")
            .or_else(|| rest.strip_prefix("stderr: "))
            .or_else(|| matches!(rest, "stdout:" | "stderr:").then_some(""))
    });
    stripped.unwrap_or(line)
}

impl Response {
    /// Returns the message of an error, on one line.
    pub fn error(&self) -> String {
        let result = self.result.as_ref().map_or("", |result| result.get());
        let fields =
            serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(result).unwrap_or_default();
        let Some(error) = fields.get("error") else { return result.to_owned() };
        serde_json::from_str::<String>(error.get()).unwrap_or_else(|_| error.get().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_time_and_stream() {
        assert_eq!(strip("2026-01-31T08:00:00.123456789Z stdout: hello: you"), "hello: you");
        assert_eq!(strip("2026-01-31T08:00:00.1Z           stderr: oh"), "oh");
        assert_eq!(strip("2026-01-31T08:00:00.1Z           stderr:"), "");
        assert_eq!(strip("Logs were truncated because"), "Logs were truncated because");
    }

    #[test]
    fn errors_are_told_as_the_action_told_them() {
        let error = |result: &str| {
            let json =
                format!(r#"{{"status":"application error","success":false,"result":{result}}}"#);
            serde_json::from_str::<Response>(&json).unwrap().error()
        };
        assert_eq!(error(r#"{"error":"no\nname"}"#), "no\nname");
        assert_eq!(error(r#"{"error":{"code":1.50}}"#), r#"{"code":1.50}"#);
        assert_eq!(error("[1]"), "[1]");
    }

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_id("0123456789abcdef0123456789abcdef"));
        assert!(!is_id("hello") && !is_id("0123456789ABCDEF0123456789abcdef"));
    }
}
