//! Annotations that `deploy` writes: those of web actions exactly as `wsk` sets them, and the
//! action's description of itself.

use std::io::Read as _;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;

use crate::action::{KeyValue, StoredAction};

/// Annotation of an action that can be called at a URL without a key.
const WEB_EXPORT: &str = "web-export";
const RAW_HTTP: &str = "raw-http";
const FINAL: &str = "final";
/// Annotation with the secret that callers of a web action must send.
const SECURE: &str = "require-whisk-auth";
/// Annotation that controls whether the container receives the caller's API key. An action without
/// this annotation receives it.
pub const PROVIDE_API_KEY: &str = "provide-api-key";
/// Annotation with the digest of the component that runs.
pub const DIGEST: &str = "keynet-digest";
/// Annotation with the reference that it was deployed from, including the tag.
pub const REFERENCE: &str = "keynet-reference";

/// Value of `--web`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Web {
    /// Web action.
    Yes,
    /// Web action that receives the raw HTTP request.
    Raw,
    /// Not a web action.
    No,
}

impl FromStr for Web {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(Self::Yes),
            "raw" => Ok(Self::Raw),
            "false" | "no" => Ok(Self::No),
            _ => Err("it is true or yes, raw, false or no".to_owned()),
        }
    }
}

/// Value of `--web-secure`.
#[derive(Clone, PartialEq, Eq)]
pub enum WebSecure {
    /// Generated random number.
    Generated,
    /// No secret.
    Off,
    /// Secret chosen by the user.
    Text(String),
}

impl FromStr for WebSecure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Self::Generated),
            "false" => Ok(Self::Off),
            "" => Err("a secret is not empty".to_owned()),
            _ => Ok(Self::Text(text.to_owned())),
        }
    }
}

impl std::fmt::Debug for WebSecure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Generated => "Generated",
            Self::Off => "Off",
            Self::Text(_) => "Text(…)",
        })
    }
}

/// Annotations to set and to remove.
#[derive(Debug, Default)]
pub struct Changes {
    /// Annotations to add or to change.
    pub set: Vec<KeyValue>,
    /// Names of annotations to remove.
    pub remove: Vec<String>,
}

impl Changes {
    /// Sets an annotation; a later value replaces an earlier one.
    pub fn set(&mut self, key: &str, value: &impl Serialize) {
        self.set.retain(|annotation| annotation.key != key);
        self.set.extend(KeyValue::new(key, value));
    }

    /// Sets the annotations for `--web`.
    pub fn web(&mut self, web: Web) {
        self.set(WEB_EXPORT, &(web != Web::No));
        self.set(RAW_HTTP, &(web == Web::Raw));
        self.set(FINAL, &(web != Web::No));
    }

    /// Sets the annotation for `--web-secure` of an action that is, or becomes, a web action. An
    /// existing number is kept.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn web_secure(
        &mut self,
        secure: &WebSecure,
        existing: Option<&StoredAction>,
    ) -> std::io::Result<()> {
        match secure {
            WebSecure::Off => {
                if existing.is_some_and(|action| action.has_annotation(SECURE)) {
                    self.remove.push(SECURE.to_owned());
                }
            }
            WebSecure::Text(text) => self.set(SECURE, text),
            WebSecure::Generated => {
                let number = existing.and_then(|action| action.annotation::<u64>(SECURE));
                if number.is_none() {
                    self.set(SECURE, &random_number()?);
                }
            }
        }
        Ok(())
    }

    /// Sets the description and the parameters of the action, in the form that OpenWhisk's own
    /// tools read.
    pub fn describe(&mut self, description: &str, schema: Option<&Value>) {
        if !description.is_empty() {
            self.set("description", &description);
        }
        if let Some(parameters) = schema.and_then(parameters) {
            self.set("parameters", &parameters);
        }
    }
}

/// Reports whether the action is a web action.
pub fn is_web(action: &StoredAction) -> bool {
    action.annotation(WEB_EXPORT).unwrap_or(false)
}

/// Returns a random number of 53 bits: every client can read it without losing digits.
fn random_number() -> std::io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes) >> 11)
}

/// Parameter in the annotation `parameters`.
#[derive(Serialize)]
struct Parameter<'a> {
    name: &'a str,
    required: bool,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

fn parameters(schema: &Value) -> Option<Vec<Parameter<'_>>> {
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties")?.as_object()?;
    let parameters = properties.iter().map(|(name, property)| Parameter {
        name,
        required: required.is_some_and(|names| names.iter().any(|other| other == name)),
        kind: property.get("type").and_then(Value::as_str),
        description: property.get("description").and_then(Value::as_str),
    });
    Some(parameters.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(changes: &Changes) -> Value {
        let value =
            |annotation: &KeyValue| serde_json::from_str::<Value>(annotation.value.get()).unwrap();
        changes.set.iter().map(|annotation| (annotation.key.clone(), value(annotation))).collect()
    }

    fn stored(annotations: &Value) -> StoredAction {
        serde_json::from_str(
            &json!({ "namespace": "guest", "name": "a", "annotations": annotations }).to_string(),
        )
        .unwrap()
    }

    #[test]
    fn web_actions_are_annotated_as_wsk_does_it() {
        for (text, expected) in [
            ("true", json!({ "web-export": true, "raw-http": false, "final": true })),
            ("YES", json!({ "web-export": true, "raw-http": false, "final": true })),
            ("raw", json!({ "web-export": true, "raw-http": true, "final": true })),
            ("no", json!({ "web-export": false, "raw-http": false, "final": false })),
        ] {
            let mut changes = Changes::default();
            changes.web(text.parse().unwrap());
            assert_eq!(told(&changes), expected, "{text}");
        }
        assert!("maybe".parse::<Web>().is_err());
    }

    #[test]
    fn a_number_that_secures_an_action_stays() {
        let secure = |text: &str, existing: &Value| {
            let mut changes = Changes::default();
            changes.web_secure(&text.parse().unwrap(), Some(&stored(existing))).unwrap();
            (told(&changes), changes.remove)
        };
        let number = json!([{ "key": "require-whisk-auth", "value": 7 }]);
        assert_eq!(secure("true", &number), (json!({}), vec![]));
        assert_eq!(secure("false", &number), (json!({}), vec!["require-whisk-auth".to_owned()]));
        assert_eq!(secure("hunter2", &number).0, json!({ "require-whisk-auth": "hunter2" }));
        let made = secure("true", &json!([])).0;
        assert!(made["require-whisk-auth"].as_u64().unwrap() < 1 << 53);
        assert_ne!(
            made,
            secure("true", &json!([{ "key": "require-whisk-auth", "value": "text" }])).0
        );
        assert_eq!(secure("false", &json!([])), (json!({}), vec![]));
        assert!(!format!("{:?}", "hunter2".parse::<WebSecure>().unwrap()).contains("hunter2"));
    }

    #[test]
    fn parameters_are_those_of_the_schema() {
        let schema = json!({
            "required": ["url"],
            "properties": { "url": { "type": "string", "description": "Where." }, "n": { "type": ["number", "null"] } },
        });
        let mut changes = Changes::default();
        changes.describe("Finds things.", Some(&schema));
        changes.describe("", None);
        let parameters = json!([{ "name": "n", "required": false }, { "name": "url", "required": true, "type": "string", "description": "Where." }]);
        assert_eq!(
            told(&changes),
            json!({ "description": "Finds things.", "parameters": parameters })
        );
    }
}
