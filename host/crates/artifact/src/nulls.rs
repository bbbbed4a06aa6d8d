//! `null` in other tools' JSON: Go's encoder writes it for an empty list and an empty map.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Deserializes a member; `null` gives the default value.
///
/// # Errors
/// The member is of another type.
pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Parses a manifest into a type of another crate. Members that are `null` count as missing, and
/// missing members of `lists` as empty lists.
///
/// # Errors
/// The text is not JSON, or does not match the type.
pub fn without_nulls<T: DeserializeOwned>(text: &[u8], lists: &[&str]) -> serde_json::Result<T> {
    let mut value: Value = serde_json::from_slice(text)?;
    remove(&mut value);
    if let Some(members) = value.as_object_mut() {
        for list in lists {
            members.entry(*list).or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    serde_json::from_value(value)
}

/// Removes members that are `null`. The recursion depth is bounded by the parser's limit.
fn remove(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(remove);
        }
        Value::Array(items) => items.iter_mut().for_each(remove),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use oci_distribution::manifest::OciImageManifest;

    use super::*;

    #[test]
    fn null_is_nothing() {
        let text = br#"{"schemaVersion":2,"config":{"mediaType":"m","digest":"d","size":1,"urls":null,"annotations":null},
            "layers":null,"annotations":null,"subject":null}"#;
        let manifest: OciImageManifest = without_nulls(text, &["layers"]).unwrap();
        assert!(manifest.layers.is_empty() && manifest.annotations.is_none());
        assert!(
            without_nulls::<OciImageManifest>(b"{\"schemaVersion\":2,\"layers\":[]}", &[]).is_err(),
            "a config is needed"
        );
    }
}
