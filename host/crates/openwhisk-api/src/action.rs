//! Actions in the API: the body that creates or changes one, and the stored form.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Body of `PUT …/actions/NAME`. Fields that are left out are unchanged; annotations are merged
/// with the existing ones, parameters replace all existing ones (`updateWhiskAction` in OpenWhisk's
/// Actions.scala).
#[derive(Debug, Default, Serialize)]
pub struct ActionPut {
    /// Code or image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Complete list of the default parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<KeyValue>>,
    /// Limits to change.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// Annotations to set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<KeyValue>,
    /// Names of annotations to remove.
    #[serde(rename = "delAnnotations", skip_serializing_if = "Vec::is_empty")]
    pub del_annotations: Vec<String>,
}

/// Executable of an action: code of a kind, or an image with or without code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// `blackbox`, or a kind of OpenWhisk's runtimes manifest.
    pub kind: String,
    /// Image of a `blackbox` action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Base64 of bytes, or text. Never requested back from OpenWhisk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Parameter or annotation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyValue {
    /// Name.
    pub key: String,
    /// Value, as it was written.
    pub value: Box<RawValue>,
    /// True if it is passed to the container's environment at `/init`, not to each run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub init: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl KeyValue {
    /// Returns an annotation; `None` if the value cannot be serialized.
    pub fn new(key: &str, value: &impl Serialize) -> Option<Self> {
        Some(Self {
            key: key.to_owned(),
            value: serde_json::value::to_raw_value(value).ok()?,
            init: false,
        })
    }
}

/// Limits of an action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Timeout in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Memory of the container in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Size of the logs in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<u64>,
    /// Number of concurrent activations in one container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u64>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Action as OpenWhisk stores it, or as an entry of a list; in a list only the annotation `exec`
/// contains the kind.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredAction {
    /// Namespace and, after a slash, the package.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Version: `0.0.1` and up.
    #[serde(default)]
    pub version: String,
    /// Code or image.
    #[serde(default)]
    pub exec: Option<StoredExec>,
    /// Annotations.
    #[serde(default)]
    pub annotations: Vec<KeyValue>,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// Time of the last change, in milliseconds since 1970.
    #[serde(default)]
    pub updated: Option<u64>,
}

/// Executable as it is stored; lists contain only whether it is binary.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct StoredExec {
    /// Kind; `None` in lists.
    #[serde(default)]
    pub kind: Option<String>,
}

impl StoredAction {
    /// Returns the value of an annotation; `None` if it does not exist or has another type.
    pub fn annotation<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let annotation = self.annotations.iter().find(|annotation| annotation.key == name)?;
        serde_json::from_str(annotation.value.get()).ok()
    }

    /// Reports whether the action has an annotation.
    pub fn has_annotation(&self, name: &str) -> bool {
        self.annotations.iter().any(|annotation| annotation.key == name)
    }

    /// Returns `/namespace/package/name`.
    pub fn path(&self) -> String {
        format!("/{}/{}", self.namespace, self.name)
    }

    /// Returns the kind.
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
