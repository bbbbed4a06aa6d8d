//! The parameters of one activation: one text, with the position of each parameter.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use keynet_base::config::is_reserved;
use keynet_base::error::{Error, Result};
use keynet_base::limits;
use keynet_base::offload::LargeWork;

/// The parameters of one activation: the text that `run` gets, and each parameter's own text, which
/// is a part of it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Parameters {
    text: Arc<str>,
    /// Parameters in the order of their names' code points. Empty if the argument is an array.
    by_name: Arc<[Parameter]>,
}

#[derive(Debug)]
struct Parameter {
    /// Name, without the escapes that it may have in the text.
    name: Box<str>,
    value: Range<usize>,
}

impl Parameters {
    /// Parses JSON text: an object, or an array in a sequence. Removes configuration names from an
    /// object, regardless of their origin.
    ///
    /// # Errors
    /// `invalid`: not JSON, or neither object nor array. `too-large`: more names than
    /// [`limits::PARAMETERS`].
    pub fn parse(json: &str) -> Result<Self> {
        let not_json = |error: serde_json::Error| {
            Error::invalid(format!("the parameters are not JSON: {error}"))
        };
        match json.trim_ascii_start().as_bytes().first() {
            Some(b'[') => {
                let array: &RawValue = serde_json::from_str(json).map_err(not_json)?;
                Ok(Self { text: array.get().into(), by_name: Arc::default() })
            }
            Some(b'{') => {
                let mut by_name = Vec::new();
                let mut reading = serde_json::Deserializer::from_str(json);
                let read = Index { text: json, by_name: &mut by_name }
                    .deserialize(&mut reading)
                    .and_then(|()| reading.end());
                limits::check_count(
                    "names among the parameters",
                    by_name.len(),
                    limits::PARAMETERS,
                )?;
                read.map_err(not_json)?;
                Ok(Self::of(json, by_name))
            }
            _ => Err(Error::invalid(
                "the parameters are neither a JSON object nor an array; an object is `{\"name\": \
                    value}`",
            )),
        }
    }

    /// Parses as [`Self::parse`], for an async worker: long text is parsed on the blocking pool, as a
    /// part of `large`.
    ///
    /// # Errors
    /// As [`Self::parse`], and `timeout` at `deadline`.
    pub async fn read(json: Bytes, large: &LargeWork, deadline: Option<Instant>) -> Result<Self> {
        let read = large.run(json.len(), deadline, move || match std::str::from_utf8(&json) {
            Ok(text) => Self::parse(text),
            Err(error) => Err(Error::invalid(format!("the parameters are not JSON: {error}"))),
        });
        let late =
            || Error::timeout("the parameters were not read before the time to answer was over");
        read.await.unwrap_or_else(|| Err(late()))
    }

    /// Creates the parameters from an object's text and its members in the order of the text.
    fn of(json: &str, mut by_name: Vec<Parameter>) -> Self {
        by_name.sort_by(|one, other| one.name.cmp(&other.name));
        // Of two members with the same name, the last counts.
        by_name.dedup_by(|later, kept| {
            let same = later.name == kept.name;
            if same {
                kept.value = later.value.clone();
            }
            same
        });
        if !by_name.iter().any(|parameter| is_reserved(&parameter.name)) {
            return Self { text: json.into(), by_name: by_name.into() };
        }
        by_name.retain(|parameter| !is_reserved(&parameter.name));
        let mut text = String::with_capacity(json.len());
        for parameter in &mut by_name {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&serde_json::Value::from(&*parameter.name).to_string());
            text.push(':');
            let start = text.len();
            text.push_str(json.get(parameter.value.clone()).unwrap_or_default());
            parameter.value = start..text.len();
        }
        if text.is_empty() {
            text.push('{');
        }
        text.push('}');
        Self { text: text.into(), by_name: by_name.into() }
    }

    /// Returns the empty object `{}`.
    pub fn none() -> Self {
        Self { text: "{}".into(), by_name: Arc::default() }
    }

    /// Returns the JSON text that `run` gets.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the JSON text of one parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.by_name.binary_search_by(|parameter| (*parameter.name).cmp(name)).ok()?;
        self.text.get(self.by_name.get(at)?.value.clone())
    }

    /// Returns the names of all parameters, in the order of their code points.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.by_name.iter().map(|parameter| &*parameter.name)
    }

    /// Returns the bytes of memory that they hold.
    pub fn bytes(&self) -> u64 {
        // A heap block has at least 16 bytes and a word of its own.
        let names: usize = self
            .by_name
            .iter()
            .map(|parameter| size_of::<Parameter>() + parameter.name.len() + 24)
            .sum();
        (self.text.len() + names) as u64
    }
}

/// Parser of an object that records the position of each value in the text, without copying or
/// parsing the values.
struct Index<'a, 'json> {
    text: &'json str,
    by_name: &'a mut Vec<Parameter>,
}

impl<'json> DeserializeSeed<'json> for Index<'_, 'json> {
    type Value = ();

    fn deserialize<D: Deserializer<'json>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'json> Visitor<'json> for Index<'_, 'json> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'json>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<Box<str>>()? {
            let value = fields.next_value::<&'json RawValue>()?.get();
            // A borrowed value is a part of the text.
            let start = value.as_ptr().addr() - self.text.as_ptr().addr();
            self.by_name.push(Parameter { name, value: start..start + value.len() });
            if self.by_name.len() > limits::PARAMETERS {
                return Err(A::Error::custom("too many names"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    #[test]
    fn each_parameter_is_its_part_of_the_text() {
        let parameters =
            Parameters::parse(r#" {"b": null, "a\n": "x\ty", "é": [1, {"x": 2}], "b" : 1.50 } "#)
                .unwrap();
        assert_eq!(parameters.names().collect::<Vec<_>>(), ["a\n", "b", "é"]);
        assert_eq!(parameters.get("b"), Some("1.50"));
        assert_eq!(parameters.get("a\n"), Some(r#""x\ty""#));
        assert_eq!(parameters.get("é"), Some(r#"[1, {"x": 2}]"#));
        assert_eq!(parameters.get("c"), None);
    }

    #[test]
    fn configuration_is_taken_out_of_the_text_too() {
        let parameters =
            Parameters::parse(r#"{"z": [1],"TRITON_URL": "http://x", "KEYNET_X": {}, "a\"": 1}"#)
                .unwrap();
        assert_eq!(parameters.text(), r#"{"a\"":1,"z":[1]}"#);
        assert_eq!((parameters.get("z"), parameters.get("a\"")), (Some("[1]"), Some("1")));
        assert_eq!(Parameters::parse(r#"{"MODEL_NAME": 1}"#).unwrap().text(), "{}");
    }

    #[test]
    fn a_million_names_are_refused_and_a_long_value_is_not() {
        let named = |count: usize| {
            let names: Vec<_> = (0..count).map(|n| format!("\"{n:x}\":1")).collect();
            Parameters::parse(&format!("{{{}}}", names.join(",")))
        };
        assert_eq!(named(1_000_000).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(named(limits::PARAMETERS).unwrap().names().len(), limits::PARAMETERS);
        let value = "1,".repeat(8 << 20);
        let parameters = Parameters::parse(&format!("{{\"a\":[{value}1]}}")).unwrap();
        assert_eq!(
            parameters.bytes() as usize,
            parameters.text().len() + size_of::<Parameter>() + 25
        );
    }

    #[tokio::test]
    async fn sixty_mebibytes_of_parameters_are_not_waited_for_past_the_deadline() {
        let (json, large) =
            (format!("{{\"a\":[{}1]}}", "1,".repeat(30 << 20)), LargeWork::default());
        let late = Parameters::read(json.into(), &large, Some(Instant::now())).await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::Timeout);
        let short =
            Parameters::read(Bytes::from_static(b"{\"a\": 1}"), &large, Some(Instant::now()))
                .await
                .unwrap();
        assert_eq!(short.get("a"), Some("1"));
        let error =
            Parameters::read(Bytes::from_static(b"{\"\xff\": 1}"), &large, None).await.unwrap_err();
        assert!(error.kind == ErrorKind::Invalid && error.message.contains("not JSON"), "{error}");
    }
}
