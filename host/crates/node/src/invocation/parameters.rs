//! Parameters as JSON text: values are never parsed and written again, so that numbers stay as
//! they were sent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::entities::Values;

type Members<'a> = BTreeMap<Name<'a>, &'a RawValue>;

/// Name of a member, not copied if it has no escapes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Returns the members of the object `text` over the values of `defaults`, the last of which come
/// first. Init parameters are left out: they are variables of the environment.
///
/// # Errors
/// The text is not a JSON object.
pub fn merged(defaults: &[&Values], text: &str) -> Result<String, serde_json::Error> {
    let mut below = Values::above(defaults).into_iter().filter(|pair| !pair.init);
    let text = if text.trim_ascii().is_empty() { "{}" } else { text };
    let Some(first) = below.next() else { return Ok(text.to_owned()) };
    let mut all: BTreeMap<Cow<'_, str>, &RawValue> = BTreeMap::new();
    for pair in std::iter::once(first).chain(below) {
        all.insert(pair.key.as_str().into(), &pair.value);
    }
    let members: Members<'_> = serde_json::from_str(text)?;
    all.extend(members.into_iter().map(|(name, value)| (name.0, value)));
    serde_json::to_string(&all)
}

/// Returns the value of the member `name` of the object `text`; `None` if it is not there, null, or
/// the text is not an object.
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = deserializer.deserialize_map(Member(name)).ok()??.get();
    Some(value).filter(|value| *value != "null")
}

/// Visitor of an object that wants one of its members.
struct Member<'n>(&'n str);

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Name(name)) = members.next_key()? {
            if name == self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Reports whether the object `text` has a member that `protected` sets to anything but null.
pub fn overrides(text: &str, protected: &[&Values]) -> bool {
    let Ok(members) = serde_json::from_str::<Members<'_>>(text) else { return false };
    set(protected).any(|name| members.contains_key(&name))
}

/// Returns the object `text` without the members that `protected` sets to anything but null.
pub fn without(text: &str, protected: &[&Values]) -> String {
    let Ok(mut members) = serde_json::from_str::<Members<'_>>(text) else { return text.to_owned() };
    for name in set(protected) {
        members.remove(&name);
    }
    let members: BTreeMap<_, _> = members.iter().map(|(name, value)| (&name.0, value)).collect();
    serde_json::to_string(&members).unwrap_or_else(|_| text.to_owned())
}

/// Returns the names that the last of `values` with that name sets to anything but null.
fn set<'a>(values: &[&'a Values]) -> impl Iterator<Item = Name<'a>> {
    let pairs = Values::above(values).into_iter();
    pairs.filter(|pair| pair.value.get() != "null").map(|pair| Name(pair.key.as_str().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Values {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_callers_parameters_stand_above_the_actions_and_those_above_the_packages() {
        let package = values(r#"[{"key":"a","value":1},{"key":"b","value":1.50}]"#);
        let action = values(r#"[{"key":"a","value":2},{"key":"INIT","value":"x","init":true}]"#);
        let merge = |text| merged(&[&package, &action], text).unwrap();
        assert_eq!(merge(r#"{"c":1e400}"#), r#"{"a":2,"b":1.50,"c":1e400}"#);
        assert_eq!(merge(r#"{"\u0061":3}"#), r#"{"a":3,"b":1.50}"#);
        assert_eq!(merge(""), r#"{"a":2,"b":1.50}"#);
        assert_eq!(merged(&[&Values::default()], r#"{ "x": 1 }"#).unwrap(), r#"{ "x": 1 }"#);
        assert!(merged(&[&package], "[1]").is_err());
    }

    #[test]
    fn what_a_binding_sets_replaces_what_the_package_sets_in_the_environment_and_in_parameters() {
        let package = values(
            r#"[{"key":"a","value":1,"init":true},{"key":"b","value":1},{"key":"c","value":1}]"#,
        );
        let binding = values(
            r#"[{"key":"a","value":2},{"key":"b","value":2,"init":true},{"key":"c","value":null}]"#,
        );
        let layers = [&package, &binding];
        assert_eq!(merged(&layers, "").unwrap(), r#"{"a":2,"c":null}"#);
        let init: Vec<_> = Values::above(&layers).into_iter().filter(|pair| pair.init).collect();
        assert_eq!((init.len(), init[0].value.get()), (1, "2"));
        assert!(!overrides(r#"{"c":3}"#, &layers) && overrides(r#"{"a":3}"#, &layers));
    }

    #[test]
    fn a_protected_parameter_is_recognised() {
        let action = values(r#"[{"key":"a","value":2},{"key":"free","value":null}]"#);
        assert!(overrides(r#"{"\u0061":3}"#, &[&action]));
        assert!(!overrides(r#"{"free":3,"other":1}"#, &[&action]));
        let text = r#"{"\u0061":3,"free":1.50,"other":1}"#;
        assert_eq!(without(text, &[&action]), r#"{"free":1.50,"other":1}"#);
    }

    #[test]
    fn an_error_is_a_member_of_the_result_itself() {
        assert_eq!(member(r#"{"error":{"code":1}}"#, "error"), Some(r#"{"code":1}"#));
        for text in [r#"{"a":{"error":1}}"#, r#"{"error":null}"#, r#"["error"]"#] {
            assert_eq!(member(text, "error"), None, "{text}");
        }
    }
}
