//! Executables of actions: a component, or a sequence of other actions.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Kind of actions that are components.
pub const KIND: &str = "wasm:component";

/// Names that mean [`KIND`].
const KINDS: [&str; 2] = [KIND, "wasm:default"];

/// Kind of an image; a node runs the component beside it and never the image.
const BLACKBOX: &str = "blackbox";

/// Maximum length in bytes of the names of an image and of a function, which are kept in memory.
const MAX_TEXT: usize = 1 << 10;

/// Executable as it is stored; the code is stored beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Exec {
    /// Actions that run one after another.
    Sequence {
        /// `sequence`.
        kind: SequenceKind,
        /// Names of the actions: `/namespace/name` or `/namespace/package/name`.
        components: Vec<String>,
    },
    /// A component.
    Component {
        /// [`KIND`] or `blackbox`.
        kind: String,
        /// Image of a `blackbox` action, which is kept and never run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        /// Name of the function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        main: Option<String>,
        /// `true` if the code is base64.
        binary: bool,
    },
}

/// The word `sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SequenceKind {
    /// A sequence.
    Sequence,
}

impl Exec {
    /// Returns the kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::Sequence { .. } => "sequence",
            Self::Component { kind, .. } => kind,
        }
    }

    /// Reports whether the code is base64.
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Component { binary: true, .. })
    }

    /// Returns the bytes of memory that the names of a sequence's actions take.
    pub fn size(&self) -> usize {
        match self {
            Self::Sequence { components, .. } => texts(components),
            Self::Component { .. } => 0,
        }
    }
}

/// Returns the bytes of memory that texts take.
pub(super) fn texts(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + text.len()).sum()
}

/// Executable in the body that creates or changes an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecPut {
    /// Executable without its code.
    pub exec: Exec,
    /// Code of a component: base64, or a reference.
    pub code: Option<String>,
}

#[derive(Deserialize)]
struct Fields {
    kind: Option<String>,
    code: Option<String>,
    image: Option<String>,
    main: Option<String>,
    components: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for ExecPut {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        Self::of(fields).map_err(D::Error::custom)
    }
}

impl ExecPut {
    fn of(fields: Fields) -> Result<Self, String> {
        let kind = fields.kind.ok_or("'kind' must be a string defined in 'exec'")?;
        let kind = kind.trim().to_lowercase();
        let texts = [("image", &fields.image), ("main", &fields.main)];
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
                return Err(format!("'{name}' of 'exec' is longer than {MAX_TEXT} bytes"));
            }
        }
        if kind == "sequence" {
            let components =
                fields.components.ok_or("'components' must be defined for sequence kind")?;
            let exec = Exec::Sequence { kind: SequenceKind::Sequence, components };
            return Ok(Self { exec, code: None });
        }
        if kind == BLACKBOX && fields.image.is_none() {
            return Err(
                "'image' must be a string defined in 'exec' for 'blackbox' actions".to_owned()
            );
        }
        let kind = match kind.as_str() {
            BLACKBOX => BLACKBOX,
            other if KINDS.contains(&other) => KIND,
            other => {
                let other: String = other.chars().take(100).collect();
                return Err(format!(
                    "The specified runtime '{other}' is not supported by this platform. Valid \
                        values are: '{KIND}', 'sequence', 'blackbox'."
                ));
            }
        };
        let code = fields.code.filter(|code| !code.trim().is_empty());
        let code = code.ok_or_else(|| {
            format!(
                "'code' must be a string defined in 'exec' for '{kind}' actions: a node runs a \
                    component, as base64 or as oci://registry/namespace/name@sha256:…, and no \
                    container images"
            )
        })?;
        let exec = Exec::Component {
            kind: kind.to_owned(),
            image: fields.image,
            main: fields.main,
            binary: is_base64(&code),
        };
        Ok(Self { exec, code: Some(code) })
    }

    /// Returns the size of the code in bytes.
    pub fn size(&self) -> usize {
        self.code.as_ref().map_or(0, String::len)
    }
}

/// Reports whether `code` is base64, as OpenWhisk detects it: by its characters and its length.
fn is_base64(code: &str) -> bool {
    let text = code.trim();
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> Result<ExecPut, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_component_comes_as_code_or_by_reference() {
        let code = put(r#"{"kind":"wasm:default","code":"AAAA"}"#).unwrap();
        assert!(code.exec.is_binary() && code.exec.kind() == KIND);
        let reference =
            put(r#"{"kind":"blackbox","image":"a/b","code":"oci://r.example.com/a@sha256:00"}"#)
                .unwrap();
        assert!(!reference.exec.is_binary() && reference.exec.kind() == "blackbox");
    }

    #[test]
    fn what_a_node_cannot_run_is_refused_with_what_it_can() {
        for (text, word) in [
            (r#"{"kind":"nodejs:20","code":"function main() {}"}"#, "wasm:component"),
            (r#"{"kind":"blackbox","image":"a/b"}"#, "no container images"),
            (r#"{"kind":"blackbox","code":"AAAA"}"#, "'image'"),
            (r#"{"kind":"wasm:component"}"#, "'code'"),
            (r#"{"kind":"sequence"}"#, "'components'"),
            (r#"{"code":"AAAA"}"#, "'kind'"),
        ] {
            let error = put(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_stored_is_read_again() {
        for text in [
            r#"{"kind":"sequence","components":["/a/b","/a/p/c"]}"#,
            r#"{"kind":"blackbox","image":"a/b:1","main":"x","binary":true}"#,
        ] {
            let exec: Exec = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&exec).unwrap(), text);
        }
    }
}
