//! The environment of an activation: `/init`'s `env`, this run's `__OW_*` variables, and
//! OpenWhisk's address. Never the process's own environment.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::activation::GuestEnvironment;

/// The only variable of the container that actions receive.
const API_HOST: &str = "__OW_API_HOST";

/// Returns the environment that all runs share: `init` is the `env` of `/init`, `container` the
/// process's own environment.
pub(super) fn base(
    container: &BTreeMap<String, String>,
    init: &BTreeMap<String, String>,
) -> GuestEnvironment {
    let host = container.get_key_value(API_HOST).filter(|_| !init.contains_key(API_HOST));
    let pairs = init.iter().chain(host);
    GuestEnvironment::new(pairs.map(|(name, value)| (name.clone(), value.clone())))
}

/// Returns the variable for a field of `/run`; `value` is JSON text.
pub(super) fn variable(field: &str, value: &str) -> Option<(String, String)> {
    let name = format!("__OW_{}", field.to_uppercase());
    Some((name, text(value)?))
}

/// Returns the text that OpenWhisk puts into a variable for a value, which is JSON text: scalars as
/// they are written, objects and arrays as compact JSON; `None` for null. Holds nothing of a value
/// but its text.
pub(super) fn text(value: &str) -> Option<String> {
    match value.as_bytes().first()? {
        b'n' => None,
        b'"' => match value.get(1..value.len() - 1) {
            Some(plain) if !plain.contains('\\') => Some(plain.to_owned()),
            _ => serde_json::from_str(value).ok(),
        },
        b'{' | b'[' => Some(compact(value)),
        // A number out of range, such as 1e400, stays as it is written.
        _ => Some(
            serde_json::from_str::<Value>(value)
                .map_or_else(|_| value.to_owned(), |scalar| scalar.to_string()),
        ),
    }
}

/// Returns JSON text without the white space between its tokens.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        let keep = in_string || !c.is_ascii_whitespace();
        if *c == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = *c == '\\' && !escaped;
        keep
    };
    json.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_become_text_as_the_platform_writes_them() {
        for (json, expected) in [
            (r#""x""#, Some("x")),
            (r#""a\"\u0041\n""#, Some("a\"A\n")),
            ("3", Some("3")),
            ("1.5", Some("1.5")),
            ("1e400", Some("1e400")),
            ("true", Some("true")),
            ("null", None),
            (r#"["a", 1]"#, Some(r#"["a",1]"#)),
            (r#"{ "a" : "A b\\", "c": "\" d" }"#, Some(r#"{"a":"A b\\","c":"\" d"}"#)),
        ] {
            assert_eq!(text(json).as_deref(), expected, "{json}");
        }
        assert_eq!(variable("deadline", "7"), Some(("__OW_DEADLINE".into(), "7".into())));
        assert_eq!(
            variable("transaction_id", r#""t""#),
            Some(("__OW_TRANSACTION_ID".into(), "t".into()))
        );
        assert_eq!(variable("x", "null"), None);
    }

    #[test]
    fn a_run_stands_above_init_and_sees_no_configuration() {
        let container = map(&[
            ("__OW_API_HOST", "https://host:443"),
            ("PATH", "/bin"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ]);
        let init = map(&[
            ("__OW_ACTIVATION_ID", "of init"),
            ("MINE", "1"),
            ("TRITON_URL", "http://t"),
            ("KEYNET_X", "1"),
            ("a\0b", "1"),
        ]);
        let run = [("__OW_ACTIVATION_ID", "of run"), ("__OW_A=B", "x"), ("__OW_C", "a\0b")];
        let run = GuestEnvironment::new(map(&run));
        let all: BTreeMap<_, _> =
            base(&container, &init).under(run).pairs().iter().cloned().collect();
        assert_eq!(
            all,
            map(&[
                ("__OW_ACTIVATION_ID", "of run"),
                ("MINE", "1"),
                ("__OW_API_HOST", "https://host:443")
            ])
        );
    }
}
