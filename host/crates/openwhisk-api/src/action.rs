//! What an action is to the API: the body that makes or changes one, and what is stored.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The body of `PUT …/actions/NAME`. What it does not say stays as it is; annotations are merged
/// with those there are, parameters replace them all (`updateWhiskAction` in OpenWhisk's
/// Actions.scala).
#[derive(Debug, Default, Serialize)]
pub struct ActionPut {
    /// What runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// The default parameters, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<KeyValue>>,
    /// The limits that change.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// The annotations that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<KeyValue>,
    /// The annotations that go.
    #[serde(rename = "delAnnotations", skip_serializing_if = "Vec::is_empty")]
    pub del_annotations: Vec<String>,
}

/// What runs: code of a kind, or an image with or without code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// `blackbox`, or a kind of the platform's manifest.
    pub kind: String,
    /// The image of a `blackbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Base64 of bytes, or text. Never asked back from OpenWhisk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// A parameter or an annotation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyValue {
    /// Its name.
    pub key: String,
    /// Its value, as it was written.
    pub value: Box<RawValue>,
    /// Whether it is given to the container's environment at `/init`, not to each run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub init: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl KeyValue {
    /// An annotation.
    pub fn new(key: &str, value: &impl Serialize) -> Option<Self> {
        Some(Self {
            key: key.to_owned(),
            value: serde_json::value::to_raw_value(value).ok()?,
            init: false,
        })
    }
}

/// What an activation may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// MB of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// MB of logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<u64>,
    /// Activations at once in one container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An action as OpenWhisk has it, or as it is in a list, where what runs is only told by the
/// annotation `exec`.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredAction {
    /// Its namespace and, after a slash, its package.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `0.0.1` and up.
    #[serde(default)]
    pub version: String,
    /// What runs.
    #[serde(default)]
    pub exec: Option<StoredExec>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: Vec<KeyValue>,
    /// Its limits.
    #[serde(default)]
    pub limits: Limits,
    /// When it was changed last, in milliseconds since 1970.
    #[serde(default)]
    pub updated: Option<u64>,
}

/// What runs, as it is stored; lists say only whether it is binary.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct StoredExec {
    /// Its kind.
    #[serde(default)]
    pub kind: Option<String>,
}

impl StoredAction {
    /// An annotation's value.
    pub fn annotation<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let annotation = self.annotations.iter().find(|annotation| annotation.key == name)?;
        serde_json::from_str(annotation.value.get()).ok()
    }

    /// Whether it has an annotation.
    pub fn has_annotation(&self, name: &str) -> bool {
        self.annotations.iter().any(|annotation| annotation.key == name)
    }

    /// `/namespace/package/name`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.namespace, self.name)
    }

    /// The kind of what runs.
    pub fn kind(&self) -> Option<String> {
        self.exec.as_ref().and_then(|exec| exec.kind.clone()).or_else(|| self.annotation("exec"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_sent() {
        assert_eq!(serde_json::to_string(&ActionPut::default()).unwrap(), "{}");
        let value = RawValue::from_string("1.50".to_owned()).unwrap();
        let put = ActionPut {
            exec: Some(Exec { kind: "blackbox".into(), image: Some("a/b:1".into()), code: None }),
            parameters: Some(vec![KeyValue { key: "x".into(), value, init: true }]),
            limits: Limits { memory: Some(512), ..Limits::default() },
            annotations: KeyValue::new("final", &true).into_iter().collect(),
            del_annotations: vec!["require-whisk-auth".into()],
        };
        assert_eq!(
            serde_json::to_string(&put).unwrap(),
            r#"{"exec":{"kind":"blackbox","image":"a/b:1"},"parameters":[{"key":"x","value":1.50,"init":true}],"limits":{"memory":512},"annotations":[{"key":"final","value":true}],"delAnnotations":["require-whisk-auth"]}"#
        );
    }

    #[test]
    fn an_action_is_read_from_a_list_and_alone() {
        let listed: StoredAction = serde_json::from_str(
            r#"{"name":"a","namespace":"guest/pkg","version":"0.0.2","publish":false,"updated":5,"exec":{"binary":false},
                "limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1},"annotations":[{"key":"exec","value":"blackbox"}]}"#,
        )
        .unwrap();
        assert_eq!(
            (listed.path().as_str(), listed.kind().as_deref()),
            ("/guest/pkg/a", Some("blackbox"))
        );
        assert_eq!(listed.limits.memory, Some(256));
        assert_eq!(listed.annotation::<bool>("exec"), None);
    }
}
