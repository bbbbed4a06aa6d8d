//! The environment that an activation sees: `/init`'s `env`, this run's `__OW_*`, and the platform's address. Never the process's own.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::is_reserved;

/// The one variable of the container that belongs to its actions.
const API_HOST: &str = "__OW_API_HOST";

/// What `/init` leaves to every run, in order.
#[derive(Debug, Default)]
pub(super) struct BaseEnvironment(Vec<(String, String)>);

impl BaseEnvironment {
    /// Of the container's environment and `/init`'s `env`, which is without what configures the host.
    pub(super) fn new(container: &BTreeMap<String, String>, init: &BTreeMap<String, String>) -> Self {
        let host = container.get_key_value(API_HOST).filter(|_| !init.contains_key(API_HOST));
        let pairs = init.iter().chain(host).filter(|(name, _)| !is_reserved(name) && is_name(name));
        Self(pairs.filter(|(_, value)| !value.contains('\0')).map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// With a run's own, which stand above `/init`'s.
    pub(super) fn with(&self, run: Vec<(String, String)>) -> Vec<(String, String)> {
        let from_init = self.0.iter().filter(|(name, _)| !run.iter().any(|(of_run, _)| of_run == name));
        let mut all: Vec<_> = from_init.cloned().collect();
        all.extend(run);
        all
    }
}

/// The variable that a field of `/run` becomes.
pub(super) fn variable(field: &str, value: &Value) -> Option<(String, String)> {
    let name = format!("__OW_{}", field.to_uppercase());
    let text = text(value)?;
    (is_name(&name) && !text.contains('\0')).then_some((name, text))
}

/// A value as the platform puts it into a variable: scalars as they are written, objects and arrays as compact JSON; nothing of null.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The variables of `/init`'s `env`: as [`text`], and null is empty.
pub(super) fn init_variables(env: serde_json::Map<String, Value>) -> BTreeMap<String, String> {
    env.into_iter().map(|(name, value)| (name, text(&value).unwrap_or_default())).collect()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_become_text_as_the_platform_writes_them() {
        let Value::Object(env) = json!({ "s": "x", "n": 3, "f": 1.5, "b": true, "a": ["a", 1], "o": {"a": "A"}, "z": null }) else {
            unreachable!()
        };
        let expected = map(&[("s", "x"), ("n", "3"), ("f", "1.5"), ("b", "true"), ("a", "[\"a\",1]"), ("o", "{\"a\":\"A\"}"), ("z", "")]);
        assert_eq!(init_variables(env), expected);
        assert_eq!(variable("deadline", &json!(7)), Some(("__OW_DEADLINE".into(), "7".into())));
        assert_eq!(variable("transaction_id", &json!("t")), Some(("__OW_TRANSACTION_ID".into(), "t".into())));
        assert_eq!(variable("x", &Value::Null), None);
        assert_eq!(variable("a=b", &json!("x")), None);
    }

    #[test]
    fn a_run_stands_above_init_and_sees_no_configuration() {
        let container = map(&[("__OW_API_HOST", "https://host:443"), ("PATH", "/bin"), ("AWS_SECRET_ACCESS_KEY", "s")]);
        let init = map(&[("__OW_ACTIVATION_ID", "of init"), ("MINE", "1"), ("TRITON_URL", "http://t"), ("KEYNET_X", "1"), ("a\0b", "1")]);
        let all = BaseEnvironment::new(&container, &init).with(vec![("__OW_ACTIVATION_ID".into(), "of run".into())]);
        let all: BTreeMap<_, _> = all.into_iter().collect();
        assert_eq!(all, map(&[("__OW_ACTIVATION_ID", "of run"), ("MINE", "1"), ("__OW_API_HOST", "https://host:443")]));
    }
}
