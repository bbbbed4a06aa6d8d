//! Parameters and annotations: lists of `{"key", "value"}` whose values stay as they were written.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

pub use keynet_openwhisk_api::KeyValue;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Bytes of memory that a pair takes beside its name and its value, with what the allocator adds to
/// the two: a request can have a hundred thousand pairs in a megabyte.
const PAIR: usize = size_of::<KeyValue>() + 2 * 16;

/// Parameters or annotations, in order, with distinct names.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Values(Vec<KeyValue>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<KeyValue>::deserialize(deserializer)
            .map_err(|_| D::Error::custom("parameters malformed!"))?;
        if pairs.iter().any(|pair| pair.key.trim().is_empty()) {
            return Err(D::Error::custom("parameters malformed!"));
        }
        Ok(Self(Self::last(&pairs).into_iter().cloned().collect()))
    }
}

impl Values {
    /// Returns the last pair of each name, at the place of the first. Takes time in proportion to the
    /// number of pairs: a request may have millions.
    fn last<'a>(pairs: impl IntoIterator<Item = &'a KeyValue>) -> Vec<&'a KeyValue> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut last: Vec<&KeyValue> = Vec::new();
        for pair in pairs {
            match places.entry(pair.key.as_str()) {
                Entry::Vacant(place) => {
                    place.insert(last.len());
                    last.push(pair);
                }
                Entry::Occupied(place) => {
                    if let Some(value) = last.get_mut(*place.get()) {
                        *value = pair;
                    }
                }
            }
        }
        last
    }

    /// Returns the pairs of all layers, each of which stands above those before.
    pub fn above<'a>(layers: &[&'a Self]) -> Vec<&'a KeyValue> {
        match layers {
            [only] => only.iter().collect(),
            _ => Self::last(layers.iter().flat_map(|layer| layer.iter())),
        }
    }

    /// Returns the pairs in order, as a slice.
    pub fn as_slice(&self) -> &[KeyValue] {
        &self.0
    }

    /// Returns the pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = &KeyValue> {
        self.0.iter()
    }

    /// Reports whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value of `key` as JSON text.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.key == key).map(|pair| pair.value.get())
    }

    /// Sets a value, replacing the one of the same name.
    pub fn put(&mut self, pair: KeyValue) {
        match self.0.iter_mut().find(|existing| existing.key == pair.key) {
            Some(existing) => *existing = pair,
            None => self.0.push(pair),
        }
    }

    /// Sets a value.
    pub fn set(&mut self, key: &str, value: &impl Serialize) {
        // Serialising a text, a number or a boolean cannot fail.
        if let Ok(value) = serde_json::value::to_raw_value(value) {
            self.put(KeyValue { key: key.to_owned(), value, init: false });
        }
    }

    /// Removes values.
    pub fn remove(&mut self, keys: &[String]) {
        let keys: HashSet<&str> = keys.iter().map(String::as_str).collect();
        self.0.retain(|pair| !keys.contains(pair.key.as_str()));
    }

    /// Returns these values under those of `above`.
    #[must_use]
    pub fn under(&self, above: &Self) -> Self {
        Self::merged(&[self, above])
    }

    /// Returns the values of all layers, each of which stands above those before.
    pub fn merged(layers: &[&Self]) -> Self {
        Self(Self::above(layers).into_iter().cloned().collect())
    }

    /// Reports whether the annotation `key` is true, as OpenWhisk reads it: anything but `false`,
    /// null, zero and empty text.
    pub fn is(&self, key: &str, absent: bool) -> bool {
        self.get(key).map_or(absent, |text| {
            !matches!(text, "false" | "null" | "\"\"") && text.parse() != Ok(0.0_f64)
        })
    }

    /// Returns the bytes of all names and values.
    pub fn text_size(&self) -> usize {
        self.0.iter().map(|pair| pair.key.len() + pair.value.get().len()).sum()
    }

    /// Returns the most bytes that they take in memory, and as JSON.
    pub fn size(&self) -> usize {
        // A control character has six characters in JSON.
        let written =
            |byte: u8| if byte < b' ' { 6 } else { 1 + usize::from(b"\"\\".contains(&byte)) };
        let name = |pair: &KeyValue| pair.key.bytes().map(written).sum::<usize>();
        self.0.iter().map(|pair| PAIR + name(pair) + pair.value.get().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_written() {
        let text = r#"[{"key":"a","value":1.50},{"key":"b","value":18446744073709551616},{"key":"c","value":"x","init":true}]"#;
        let values: Values = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&values).unwrap(), text);
        assert_eq!(values.get("a"), Some("1.50"));
    }

    #[test]
    fn the_last_value_of_a_name_is_the_value() {
        let text = r#"[{"key":"a","value":1},{"key":"a","value":2}]"#;
        let values: Values = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"[{"key":"a","value":2}]"#);
        for wrong in [r#"{"a":1}"#, r#"[{"key":" ","value":1}]"#, r#"[{"key":"a"}]"#, "[1]"] {
            assert!(serde_json::from_str::<Values>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn many_names_take_time_in_proportion_to_their_number() {
        let pairs: Vec<_> =
            (0..200_000).map(|number| format!(r#"{{"key":"{number}","value":0}}"#)).collect();
        let mut values: Values = serde_json::from_str(&format!("[{}]", pairs.join(","))).unwrap();
        values = values.under(&values);
        let names: Vec<_> = (1..200_000).map(|number| number.to_string()).collect();
        values.remove(&names);
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"[{"key":"0","value":0}]"#);
    }

    #[test]
    fn an_annotation_is_true_as_openwhisk_reads_it() {
        for (value, is) in [
            ("true", true),
            ("1", true),
            ("\"x\"", true),
            ("{}", true),
            ("0", false),
            ("0.0", false),
            ("false", false),
            ("null", false),
            ("\"\"", false),
        ] {
            let text = format!(r#"[{{"key":"a","value":{value}}}]"#);
            let values: Values = serde_json::from_str(&text).unwrap();
            assert_eq!(values.is("a", !is), is, "{value}");
        }
        assert!(Values::default().is("a", true) && !Values::default().is("a", false));
    }
}
