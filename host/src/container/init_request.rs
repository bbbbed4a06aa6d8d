//! The body of `/init`: `{"value": {"name", "main", "binary", "code", "env"}}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::request_json::{Limits, Name, object, string};
use super::variables::text;

/// Limit of init parameters: OpenWhisk's limit of parameters is 1 MiB unless its operator raises
/// it.
const VARIABLES: Limits = Limits { what: "variables in `env`", count: 4096, text: 4 << 20 };

/// Maximum length of `main` in bytes; no function has so long a name.
const MAX_MAIN: usize = 1 << 10;

/// OpenWhisk's data about an action. `name` and `binary` are not needed here, and unknown fields
/// are ignored.
#[derive(Debug, Default)]
pub(super) struct InitRequest<'a> {
    /// Name of the function; OpenWhisk sends `main` if the user named none.
    pub(super) main: Option<String>,
    /// Code. Not copied if the text has no escapes, and base64 has none.
    pub(super) code: Option<Cow<'a, str>>,
    /// Init parameters and `__OW_*` variables.
    pub(super) env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow)]
    main: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    env: Option<&'a RawValue>,
}

impl<'a> InitRequest<'a> {
    /// Parses a body; an empty one is the same as `{}`.
    ///
    /// # Errors
    /// The body is not JSON, has fields of other types, or has more variables than are allowed.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        match body.trim_ascii_start().first() {
            None => return Ok(Self::default()),
            Some(b'{') => {}
            Some(_) => return Err(serde_json::Error::custom("it is not an object")),
        }
        let Body { value } = serde_json::from_slice(body)?;
        let Some(action) = value.map(|value| object(value, "`value`")).transpose()?.flatten()
        else {
            return Ok(Self::default());
        };
        let Action { main, code, env } = serde_json::from_str(action)?;
        let main = main.map(|main| string(main, "`main`")).transpose()?.flatten();
        if main.as_ref().is_some_and(|main| main.len() > MAX_MAIN) {
            return Err(serde_json::Error::custom(format_args!(
                "`main` has more than {MAX_MAIN} bytes"
            )));
        }
        Ok(Self {
            main: main.map(Cow::into_owned),
            code: code.map(|code| string(code, "`code`")).transpose()?.flatten(),
            env: match env.map(|env| object(env, "`env`")).transpose()?.flatten() {
                Some(env) => {
                    serde_json::Deserializer::from_str(env).deserialize_map(Environment)?
                }
                None => BTreeMap::new(),
            },
        })
    }
}

struct Environment;

impl<'de> Visitor<'de> for Environment {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of variables")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut fields: A,
    ) -> Result<BTreeMap<String, String>, A::Error> {
        let mut variables = BTreeMap::new();
        let (mut count, mut bytes) = (0, 0);
        while let Some(Name(name)) = fields.next_key()? {
            let value: &RawValue = fields.next_value()?;
            VARIABLES.admit(count, &mut bytes, &name, value.get())?;
            count += 1;
            variables.insert(name.into_owned(), text(value.get()).unwrap_or_default());
        }
        Ok(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platforms_body_is_read() {
        let body =
            br#"{"value": {"name": "a", "main": "main", "binary": true, "code": "AGFz", "new": 1,
            "env": {"__OW_DEADLINE": "1700000000000", "n": 1}}}"#;
        let request = InitRequest::parse(body).unwrap();
        assert_eq!(request.main.as_deref(), Some("main"));
        assert!(matches!(request.code, Some(Cow::Borrowed("AGFz"))), "{request:?}");
        assert_eq!(request.env.get("__OW_DEADLINE").map(String::as_str), Some("1700000000000"));
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        for body in [
            "",
            " \n",
            "{}",
            r#"{"value": null}"#,
            r#"{"value": {}}"#,
            r#"{"value": {"code": null, "env": null, "main": null}}"#,
        ] {
            let request = InitRequest::parse(body.as_bytes()).unwrap();
            assert!(
                request.code.is_none() && request.env.is_empty() && request.main.is_none(),
                "{body}"
            );
        }
    }

    #[test]
    fn variables_are_counted_and_the_limit_is_named() {
        let pairs: Vec<_> =
            (0..4097).map(|index| format!("\"v{index}\":[{index}, null]")).collect();
        let body = |pairs: &[String]| format!("{{\"value\":{{\"env\":{{{}}}}}}}", pairs.join(","));
        let error = InitRequest::parse(body(&pairs).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 4096 variables in `env`"), "{error}");
        let env = InitRequest::parse(body(&pairs[..4096]).as_bytes()).unwrap().env;
        assert_eq!((env.len(), env["v7"].as_str()), (4096, "[7,null]"));
        let large = format!("\"v\":\"{}\"", "x".repeat(4 << 20));
        let error = InitRequest::parse(body(&[large]).as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than 4194304 bytes"), "{error}");
    }

    #[test]
    fn an_error_repeats_nothing_of_a_large_body() {
        let text = "x".repeat(1 << 20);
        for value in [
            format!("\"{text}\""),
            format!("{{\"env\":\"{text}\"}}"),
            format!("{{\"main\":\"{text}\"}}"),
            format!("{{\"{text}\"}}"),
        ] {
            let error = InitRequest::parse(format!("{{\"value\":{value}}}").as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.len() < 200, "{error}");
        }
    }

    #[test]
    fn escapes_are_read() {
        let request = InitRequest::parse(br#"{"value": {"code": "oci:\/\/r\u002fa\n"}}"#).unwrap();
        assert_eq!(request.code.as_deref(), Some("oci://r/a\n"));
    }

    #[test]
    fn what_is_not_json_or_of_another_type_is_refused() {
        for body in [
            "{",
            "[]",
            "3",
            r#"{"value": []}"#,
            r#"{"value": {"code": 3}}"#,
            r#"{"value": {"env": "x"}}"#,
            "\u{1}",
        ] {
            assert!(InitRequest::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(InitRequest::parse(b"\xff").is_err());
    }
}
