//! The JSON of actions and packages, as the API shows them to their owner and to others.
//!
//! It is written straight from what is stored: values of parameters and annotations stay text, since a
//! parsed one can take thirty times its bytes.

use serde::ser::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{Action, Exec, KeyValue, Limits, Package, Values, Version};

/// Annotation with what callers of a web action must send: the secret itself, unless it is true.
const SECRET: &str = "require-whisk-auth";

/// Annotations, without secrets for others than their owner.
struct Annotations<'a> {
    values: &'a Values,
    for_owner: bool,
}

impl Serialize for Annotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.for_owner || self.values.get(SECRET).is_none() {
            return self.values.serialize(serializer);
        }
        let mut shown = Values::default();
        shown.set(SECRET, &self.values.is(SECRET, false));
        let others = self.values.iter().filter(|pair| pair.key != SECRET);
        serializer.collect_seq(others.chain(shown.iter()))
    }
}

/// What an entry of a list, and a single entity, say of the executable.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum ExecJson<'a> {
    Summary {
        binary: bool,
    },
    Whole {
        #[serde(flatten)]
        exec: &'a Exec,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'a str>,
    },
}

/// JSON of an action.
#[derive(serde::Serialize)]
pub struct ActionJson<'a> {
    namespace: String,
    name: &'a str,
    version: Version,
    publish: bool,
    annotations: Annotations<'a>,
    limits: Limits,
    updated: u64,
    exec: ExecJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Vec<&'a KeyValue>>,
}

impl<'a> ActionJson<'a> {
    /// Returns the entry of a list.
    pub fn entry(action: &'a Action, for_owner: bool) -> Self {
        Self {
            namespace: action.name.namespace_path(&action.namespace),
            name: &action.name.name,
            version: action.version,
            publish: action.publish,
            annotations: Annotations { values: &action.annotations, for_owner },
            limits: action.limits,
            updated: action.updated,
            exec: ExecJson::Summary { binary: action.exec.is_binary() },
            parameters: None,
        }
    }

    /// Returns a single action for its owner, with its code if there is any in `code`. Each of the
    /// `parameters` stand above those before.
    pub fn own(action: &'a Action, parameters: &[&'a Values], code: Option<&'a str>) -> Self {
        let exec = ExecJson::Whole { exec: &action.exec, code };
        Self { exec, parameters: Some(Values::above(parameters)), ..Self::entry(action, true) }
    }

    /// Returns a single action for others: its code and its parameters may be secrets.
    pub fn shared(action: &'a Action) -> Self {
        let exec = ExecJson::Whole { exec: &action.exec, code: None };
        Self { exec, parameters: Some(Vec::new()), ..Self::entry(action, false) }
    }
}

/// JSON of a package.
#[derive(serde::Serialize)]
pub struct PackageJson<'a> {
    namespace: &'a str,
    name: &'a str,
    version: Version,
    publish: bool,
    annotations: &'a Values,
    binding: Value,
    updated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Values>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<ActionJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feeds: Option<[(); 0]>,
}

impl<'a> PackageJson<'a> {
    /// Returns the entry of a list.
    pub fn entry(package: &'a Package) -> Self {
        Self {
            namespace: &package.namespace,
            name: &package.name,
            version: package.version,
            publish: package.publish,
            annotations: &package.annotations,
            binding: package.binding.as_ref().map_or_else(|| json!(false), |to| json!(to)),
            updated: package.updated,
            parameters: None,
            actions: None,
            feeds: None,
        }
    }

    /// Returns a single package. Its parameters are shown to its owner only: they may be credentials.
    pub fn whole(package: &'a Package, parameters: &'a Values) -> Self {
        Self {
            binding: package.binding.as_ref().map_or_else(|| json!({}), |to| json!(to)),
            parameters: Some(parameters),
            ..Self::entry(package)
        }
    }

    /// Adds the entries of its actions.
    #[must_use]
    pub fn with(self, actions: impl Iterator<Item = ActionJson<'a>>) -> Self {
        Self { actions: Some(actions.collect()), feeds: Some([]), ..self }
    }
}
