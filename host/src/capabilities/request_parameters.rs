//! The parameters of a request to a model: a flat JSON object, parsed without building nested
//! values.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use keynet_base::error::{Error, Result};
use keynet_base::limits;
use keynet_base::quote::quoted;

/// Parses a request's parameters; an empty text has none.
///
/// # Errors
/// `invalid`: not a JSON object of strings, numbers and booleans. `too-large`: more members than
/// [`limits::REQUEST_PARAMETERS`], or a longer text than [`limits::REQUEST_PARAMETERS_TEXT`].
pub(super) fn read(text: &str) -> Result<Map<String, Value>> {
    let mut found = Map::new();
    if text.is_empty() {
        return Ok(found);
    }
    limits::check_count(
        "bytes of request parameters",
        text.len(),
        limits::REQUEST_PARAMETERS_TEXT,
    )?;
    let (mut refused, mut reading) = (None, serde_json::Deserializer::from_str(text));
    let read = Parameters { found: &mut found, refused: &mut refused }
        .deserialize(&mut reading)
        .and_then(|()| reading.end());
    match (refused, read) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => {
            Err(Error::invalid(format!("the request's parameters are not a JSON object: {error}")))
        }
        (None, Ok(())) => Ok(found),
    }
}

struct Parameters<'a> {
    found: &'a mut Map<String, Value>,
    /// Error of this module, if the text is JSON but is rejected.
    refused: &'a mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Parameters<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Parameters<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            let refusal = match fields.next_value_seed(Scalar)? {
                Some(value) => {
                    self.found.insert(name, value);
                    limits::check_count(
                        "request parameters",
                        self.found.len(),
                        limits::REQUEST_PARAMETERS,
                    )
                    .err()
                }
                None => Some(Error::invalid(format!(
                    "request parameter {} is not a string, number or boolean",
                    quoted(&name)
                ))),
            };
            if refusal.is_some() {
                *self.refused = refusal;
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// Parser of a string, number or boolean; returns `None` for other values, which it skips.
struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, number or boolean")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Option<Value>, E> {
        Ok(Some(flag.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Option<Value>, E> {
        Ok(Some(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Option<Value>, E> {
        Ok(Some(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Option<Value>, E> {
        Ok(Some(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<Value>, E> {
        Ok(Some(text.into()))
    }

    fn visit_unit<E>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Value>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<Value>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    #[test]
    fn flat_parameters_are_read() {
        let parameters =
            read(r#" {"priority": 1, "below": -1, "half": 0.5, "on": true, "text": "a\nb", "huge": 18446744073709551615} "#).unwrap();
        let expected = serde_json::json!({
            "priority": 1, "below": -1, "half": 0.5, "on": true, "text": "a\nb", "huge": u64::MAX,
        });
        assert_eq!(Value::Object(parameters), expected);
        assert!(read("").unwrap().is_empty() && read("{}").unwrap().is_empty());
    }

    #[test]
    fn what_nests_or_is_nothing_is_refused_by_name() {
        for value in ["null", "[]", "[1, [2]]", "{}", r#"{"a": 1}"#] {
            let error = read(&format!(r#"{{"p": {value}, "q": 1}}"#)).unwrap_err();
            assert_eq!(
                error.message,
                r#"request parameter "p" is not a string, number or boolean"#
            );
        }
        for text in ["1", "[]", "{", r#"{"a": 1} x"#, "null", r#"{"a": }"#] {
            let error = read(text).unwrap_err();
            assert!(
                error.kind == ErrorKind::Invalid && error.message.contains("not a JSON object"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn sixty_mebibytes_of_request_parameters_are_refused_before_they_are_parsed() {
        let text = format!("{{{}\"z\":1}}", "\"a\":1,".repeat(10 << 20));
        let error = read(&text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert_eq!(
            error.message,
            format!("{} bytes of request parameters: there can be at most 65536", text.len())
        );
        // It is rejected for its length before it is parsed, although it is not JSON.
        assert_eq!(read(&"x".repeat(60 << 20)).unwrap_err().kind, ErrorKind::TooLarge);
        // Within the limit of the text, but with too many members.
        let many: Vec<_> = (0..300).map(|n| format!("\"{n}\":1")).collect();
        assert_eq!(read(&format!("{{{}}}", many.join(","))).unwrap_err().kind, ErrorKind::TooLarge);
        let nested = format!("{{\"a\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(read(&nested).unwrap_err().kind, ErrorKind::Invalid);
    }
}
