//! The body of `/init`: `{"value": {"name", "main", "binary", "code", "env"}}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::environment::init_variables;

/// What the platform sends about an action. `name` and `binary` say nothing that counts here, and unknown fields nothing at all.
#[derive(Debug, Default)]
pub(super) struct InitRequest<'a> {
    /// The function; the platform writes `main` where none was given.
    pub(super) main: Option<String>,
    /// Not copied where the text has no escapes, which base64 has not.
    pub(super) code: Option<Cow<'a, str>>,
    /// Init parameters and `__OW_*`.
    pub(super) env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    value: Option<Action<'a>>,
}

#[derive(Deserialize)]
struct Action<'a> {
    main: Option<String>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    env: Option<Map<String, Value>>,
}

impl<'a> InitRequest<'a> {
    /// Reads a body; an empty one is as `{}`.
    ///
    /// # Errors
    /// Not JSON, or fields of other types.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let Body { value: Some(action) } = serde_json::from_slice(body)? else { return Ok(Self::default()) };
        Ok(Self {
            main: action.main,
            code: action.code.map(|raw| text(raw.get())).transpose()?,
            env: init_variables(action.env.unwrap_or_default()),
        })
    }
}

/// The text that a JSON string stands for.
fn text(json: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(json).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_body_is_read() {
        let body = br#"{"value": {"name": "a", "main": "main", "binary": true, "code": "AGFz", "new": 1,
            "env": {"__OW_DEADLINE": "1700000000000", "n": 1}}}"#;
        let request = InitRequest::parse(body).unwrap();
        assert_eq!(request.main.as_deref(), Some("main"));
        assert!(matches!(request.code, Some(Cow::Borrowed("AGFz"))), "{request:?}");
        assert_eq!(request.env.get("__OW_DEADLINE").map(String::as_str), Some("1700000000000"));
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        for body in ["", " \n", "{}", r#"{"value": null}"#, r#"{"value": {}}"#, r#"{"value": {"code": null, "env": null, "main": null}}"#] {
            let request = InitRequest::parse(body.as_bytes()).unwrap();
            assert!(request.code.is_none() && request.env.is_empty() && request.main.is_none(), "{body}");
        }
    }

    #[test]
    fn escapes_are_read() {
        let request = InitRequest::parse(br#"{"value": {"code": "oci:\/\/r\u002fa\n"}}"#).unwrap();
        assert_eq!(request.code.as_deref(), Some("oci://r/a\n"));
    }

    #[test]
    fn what_is_not_json_or_of_another_type_is_refused() {
        for body in ["{", "[]", "3", r#"{"value": []}"#, r#"{"value": {"code": 3}}"#, r#"{"value": {"env": "x"}}"#, "\u{1}"] {
            assert!(InitRequest::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(InitRequest::parse(b"\xff").is_err());
    }
}
