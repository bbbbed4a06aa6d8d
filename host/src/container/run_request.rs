//! The body of `/run`: `{"value": …, "namespace", "activation_id", "deadline", …}`.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::request_json::{Limits, Name};
use super::variables::variable;

/// Limit of the fields beside the argument. OpenWhisk sends six or seven of them, of a few dozen
/// bytes each.
const FIELDS: Limits = Limits { what: "fields beside `value`", count: 256, text: 1 << 20 };

/// Request of OpenWhisk for one activation. Read in one pass: the argument stays text.
#[derive(Debug, Default)]
pub(super) struct RunRequest<'a> {
    /// Argument; `None` if it is missing or null.
    pub(super) value: Option<&'a str>,
    /// Time at which the response is due, in milliseconds since 1970.
    pub(super) deadline: Option<String>,
    /// Every field but the argument, as a variable, in order.
    pub(super) variables: Vec<(String, String)>,
}

impl<'a> RunRequest<'a> {
    /// Parses a body.
    ///
    /// # Errors
    /// The body is not a JSON object, or has more fields than are allowed.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        if body.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(serde_json::Error::custom("it is another kind of value, or none"));
        }
        let mut json = serde_json::Deserializer::from_slice(body);
        let request = json.deserialize_map(Fields)?;
        json.end()?;
        Ok(request)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = RunRequest<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the field `value`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<RunRequest<'de>, A::Error> {
        let mut request = RunRequest { variables: Vec::with_capacity(8), ..RunRequest::default() };
        let (mut count, mut text) = (0, 0);
        while let Some(Name(name)) = fields.next_key()? {
            let value: &RawValue = fields.next_value()?;
            if name == "value" {
                request.value = Some(value.get()).filter(|text| *text != "null");
                continue;
            }
            FIELDS.admit(count, &mut text, &name, value.get())?;
            count += 1;
            let Some((variable, text)) = variable(&name, value.get()) else { continue };
            if name == "deadline" {
                request.deadline = Some(text.clone());
            }
            // Of two fields with the same name, the last counts. They are too few for a map.
            request.variables.retain(|(other, _)| *other != variable);
            request.variables.push((variable, text));
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_variables_and_the_argument_stays_text() {
        let body = br#"{"value": {"n": 1.50}, "namespace": "guest", "deadline": "1700000000000", "action_name": "/guest/a", "new": [1]}"#;
        let request = RunRequest::parse(body).unwrap();
        assert_eq!(
            (request.value, request.deadline.as_deref()),
            (Some(r#"{"n": 1.50}"#), Some("1700000000000"))
        );
        let expected = [
            ("__OW_NAMESPACE", "guest"),
            ("__OW_DEADLINE", "1700000000000"),
            ("__OW_ACTION_NAME", "/guest/a"),
            ("__OW_NEW", "[1]"),
        ];
        assert_eq!(
            request.variables,
            expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn a_missing_argument_is_none() {
        for body in ["{}", r#"{"value": null}"#, r#"{"value":null,"deadline":null}"#] {
            let request = RunRequest::parse(body.as_bytes()).unwrap();
            assert!(
                request.value.is_none()
                    && request.deadline.is_none()
                    && request.variables.is_empty(),
                "{body}"
            );
        }
        for body in ["", "[]", "{", "3", r#"{"value": {}}}"#] {
            assert!(RunRequest::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn eighty_thousand_fields_are_refused_at_once_and_the_limit_is_named() {
        let fields: Vec<_> = (0..80_000).map(|index| format!("\"f{index}\":{index}")).collect();
        let error = RunRequest::parse(format!("{{{}}}", fields.join(",")).as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains("more than 256 fields beside `value`"), "{error}");
        let most = format!("{{{},\"value\":[]}}", fields[..256].join(","));
        assert_eq!(RunRequest::parse(most.as_bytes()).unwrap().variables.len(), 256);
        let same = format!("{{{}}}", vec!["\"f\":1"; 257].join(","));
        assert!(
            RunRequest::parse(same.as_bytes()).unwrap_err().to_string().contains("256"),
            "names that come again count too"
        );
        let long = RunRequest::parse(format!("{{\"{}\":1}}", "n".repeat(1025)).as_bytes())
            .unwrap_err()
            .to_string();
        assert!(long.contains("a name of 1025 bytes"), "{long}");
        let large = RunRequest::parse(format!("{{\"f\":\"{}\"}}", "x".repeat(1 << 20)).as_bytes())
            .unwrap_err()
            .to_string();
        assert!(large.contains("more than 1048576 bytes"), "{large}");
    }

    #[test]
    fn an_error_repeats_nothing_of_a_large_body() {
        let text = "x".repeat(1 << 20);
        for body in [
            format!("\"{text}\""),
            format!("[\"{text}\"]"),
            format!("{{\"value\":\"{text}\" 3}}"),
            format!("{{\"{text}\"}}"),
        ] {
            assert!(RunRequest::parse(body.as_bytes()).unwrap_err().to_string().len() < 200);
        }
    }

    #[test]
    fn a_deadline_may_be_a_number_and_the_last_of_two_counts() {
        let request = RunRequest::parse(br#"{"deadline": 5, "deadline": 1700000000000}"#).unwrap();
        assert_eq!(request.deadline.as_deref(), Some("1700000000000"));
        assert_eq!(request.variables.len(), 1);
    }
}
