//! Actions: the body of `PUT …/actions/NAME`, and the stored form.

use serde::{Deserialize, Serialize};

use super::exec::texts;
use super::limits::LimitChanges;
use super::{
    EntityError, EntityName, Exec, ExecPut, Limits, MAX_PARAMETERS, MaxLimits, Values, Version,
    check_values, now_ms,
};

/// Maximum size in bytes of the code of an action, as text.
const MAX_CODE: usize = 48 << 20;

/// Body that creates or changes an action. What is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionPut {
    /// Executable.
    pub exec: Option<ExecPut>,
    parameters: Option<Values>,
    #[serde(default)]
    limits: LimitChanges,
    version: Option<Version>,
    publish: Option<bool>,
    annotations: Option<Values>,
    #[serde(default)]
    del_annotations: Vec<String>,
}

impl ActionPut {
    /// Checks the sizes of its fields.
    ///
    /// # Errors
    /// A field is too large.
    pub fn check_sizes(&self) -> Result<(), EntityError> {
        let exec = self.exec.as_ref();
        let (code, names) = exec.map_or((0, 0), |put| (put.size(), put.exec.size()));
        for (what, size, allowed) in [
            ("exec", code, MAX_CODE),
            ("exec", names, MAX_PARAMETERS),
            ("delAnnotations", texts(&self.del_annotations), MAX_PARAMETERS),
        ] {
            if size > allowed {
                return Err(EntityError::TooLarge { what, size, allowed });
            }
        }
        let sized = [("parameters", &self.parameters), ("annotations", &self.annotations)];
        for (what, values) in sized {
            check_values(what, values.as_ref().unwrap_or(&Values::default()))?;
        }
        Ok(())
    }

    /// Returns the size in bytes of what it holds in memory.
    pub fn size(&self) -> usize {
        let exec = self.exec.as_ref().map_or(0, |put| put.size() + put.exec.size());
        let values = [&self.parameters, &self.annotations];
        exec + values.into_iter().flatten().map(Values::size).sum::<usize>()
    }
}

/// Action as it is stored, without its code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Action {
    /// Namespace that owns it.
    pub namespace: String,
    /// Its name in the namespace.
    #[serde(flatten)]
    pub name: EntityName,
    /// Executable.
    pub exec: Exec,
    /// Default parameters.
    pub parameters: Values,
    /// Limits of its activations.
    pub limits: Limits,
    /// Version, which each change increases.
    pub version: Version,
    /// `true` if it is shared; kept, and without effect: packages are shared.
    pub publish: bool,
    /// Annotations.
    pub annotations: Values,
    /// Time of the last change, in milliseconds since 1970.
    pub updated: u64,
    /// Digest of the component; `None` for a sequence.
    pub digest: Option<String>,
    /// Fingerprint of the key that signed the component; `None` if no signature was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// `false` if the capability request is inside the component, and not beside it. Those who were
    /// stored by an older version may have one.
    #[serde(default = "yes")]
    pub request_beside: bool,
}

fn yes() -> bool {
    true
}

impl Action {
    /// Creates an action from the body of a request.
    ///
    /// # Errors
    /// The executable is missing, or a limit is out of range.
    pub fn create(
        namespace: &str,
        name: EntityName,
        put: ActionPut,
        max: &MaxLimits,
    ) -> Result<Self, EntityError> {
        let exec = put.exec.ok_or_else(|| EntityError::Invalid("exec undefined".to_owned()))?.exec;
        let mut annotations = Values::default();
        annotations.set("provide-api-key", &false);
        let created = Self {
            namespace: namespace.to_owned(),
            name,
            parameters: put.parameters.unwrap_or_default(),
            limits: limits(max.standard(), &put.limits, max)?,
            version: put.version.unwrap_or(Version::FIRST),
            publish: put.publish.unwrap_or(false),
            annotations: annotations.under(&put.annotations.unwrap_or_default()),
            updated: now_ms(),
            digest: None,
            signer: None,
            request_beside: false,
            exec,
        };
        Ok(created.with_kind())
    }

    /// Returns the action with the changes of `put`: annotations are merged, parameters replaced.
    ///
    /// # Errors
    /// A limit is out of range.
    pub fn changed(&self, put: ActionPut, max: &MaxLimits) -> Result<Self, EntityError> {
        let mut annotations = self.annotations.clone();
        annotations.remove(&put.del_annotations);
        let changed = Self {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            digest: if put.exec.is_some() { None } else { self.digest.clone() },
            signer: if put.exec.is_some() { None } else { self.signer.clone() },
            request_beside: self.request_beside && put.exec.is_none(),
            exec: put.exec.map_or_else(|| self.exec.clone(), |put| put.exec),
            parameters: put.parameters.unwrap_or_else(|| self.parameters.clone()),
            limits: limits(self.limits, &put.limits, max)?,
            version: put.version.unwrap_or_else(|| self.version.next()),
            publish: put.publish.unwrap_or(self.publish),
            annotations: annotations.under(&put.annotations.unwrap_or_default()),
            updated: now_ms(),
        };
        // Each change may be small and their sum large.
        check_values("annotations", &changed.annotations)?;
        Ok(changed.with_kind())
    }

    /// Returns the size in bytes of what is kept of it in memory, without its code.
    pub fn size(&self) -> u64 {
        (self.parameters.size() + self.annotations.size() + self.exec.size()) as u64
    }

    fn with_kind(mut self) -> Self {
        let kind = self.exec.kind().to_owned();
        self.annotations.set("exec", &kind);
        self
    }

    /// Returns the path of its activation records: `namespace/name` or `namespace/package/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name.path())
    }
}

fn limits(base: Limits, changes: &LimitChanges, max: &MaxLimits) -> Result<Limits, EntityError> {
    base.changed(changes, max).map_err(EntityError::Invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ActionJson;
    use super::*;

    const MAX: MaxLimits = MaxLimits { timeout: 300_000, memory: 512, logs: 10 };

    fn put(text: &str) -> ActionPut {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_change_merges_annotations_and_replaces_parameters() {
        let created = Action::create(
            "team",
            EntityName::new("p", "a"),
            put(r#"{"exec":{"kind":"wasm:component","code":"AAAA"},
                    "parameters":[{"key":"x","value":1}],
                    "annotations":[{"key":"web-export","value":true},{"key":"y","value":1}]}"#),
            &MAX,
        )
        .unwrap();
        let changed = created
            .changed(
                put(r#"{"parameters":[{"key":"z","value":2}],"delAnnotations":["y"],
                        "annotations":[{"key":"final","value":true}]}"#),
                &MAX,
            )
            .unwrap();
        assert_eq!(changed.version.to_string(), "0.0.2");
        assert!(
            changed.annotations.is("web-export", false) && changed.annotations.is("final", false)
        );
        assert_eq!((changed.annotations.get("y"), changed.parameters.get("x")), (None, None));
        assert_eq!(changed.annotations.get("exec"), Some("\"wasm:component\""));
        let json = json!(ActionJson::own(&changed, &[&changed.parameters], Some("AAAA")));
        assert_eq!((&json["namespace"], &json["exec"]["code"]), (&json!("team/p"), &json!("AAAA")));
    }

    #[test]
    fn an_action_needs_code_and_limits_in_range() {
        let create = |text: &str| Action::create("team", EntityName::new("", "a"), put(text), &MAX);
        assert_eq!(create("{}").unwrap_err().to_string(), "exec undefined");
        let large = r#"{"exec":{"kind":"wasm:component","code":"AAAA"},"limits":{"memory":1024}}"#;
        assert!(create(large).unwrap_err().to_string().contains("exceeds"));
    }
}
