//! The body of `/run`: `{"value": …, "namespace", "activation_id", "deadline", …}`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::environment::variable;

/// One activation as the platform asks for it. Read in one pass: the argument stays text.
#[derive(Debug, Default)]
pub(super) struct RunRequest<'a> {
    /// The argument; none where it is missing or null.
    pub(super) value: Option<&'a str>,
    /// When the answer is due.
    pub(super) deadline: Option<String>,
    /// Every field but the argument, as a variable.
    pub(super) variables: Vec<(String, String)>,
}

impl<'a> RunRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// Not a JSON object.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

impl<'de> Deserialize<'de> for RunRequest<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RunRequest<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the field `value`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<RunRequest<'de>, A::Error> {
                let mut request = RunRequest { variables: Vec::with_capacity(8), ..RunRequest::default() };
                while let Some(name) = fields.next_key::<String>()? {
                    if name == "value" {
                        let value: &RawValue = fields.next_value()?;
                        request.value = Some(value.get()).filter(|text| *text != "null");
                        continue;
                    }
                    let Some((variable, text)) = variable(&name, &fields.next_value::<Value>()?) else { continue };
                    if name == "deadline" {
                        request.deadline = Some(text.clone());
                    }
                    // Of two fields of one name the last counts.
                    request.variables.retain(|(other, _)| *other != variable);
                    request.variables.push((variable, text));
                }
                Ok(request)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_variables_and_the_argument_stays_text() {
        let body = br#"{"value": {"n": 1.50}, "namespace": "guest", "deadline": "1700000000000", "action_name": "/guest/a", "new": [1]}"#;
        let request = RunRequest::parse(body).unwrap();
        assert_eq!((request.value, request.deadline.as_deref()), (Some(r#"{"n": 1.50}"#), Some("1700000000000")));
        let expected =
            [("__OW_NAMESPACE", "guest"), ("__OW_DEADLINE", "1700000000000"), ("__OW_ACTION_NAME", "/guest/a"), ("__OW_NEW", "[1]")];
        assert_eq!(request.variables, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_missing_argument_is_none() {
        for body in ["{}", r#"{"value": null}"#, r#"{"value":null,"deadline":null}"#] {
            let request = RunRequest::parse(body.as_bytes()).unwrap();
            assert!(request.value.is_none() && request.deadline.is_none() && request.variables.is_empty(), "{body}");
        }
        for body in ["", "[]", "{", "3", r#"{"value": {}}}"#] {
            assert!(RunRequest::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_deadline_may_be_a_number_and_the_last_of_two_counts() {
        let request = RunRequest::parse(br#"{"deadline": 5, "deadline": 1700000000000}"#).unwrap();
        assert_eq!(request.deadline.as_deref(), Some("1700000000000"));
        assert_eq!(request.variables.len(), 1);
    }
}
