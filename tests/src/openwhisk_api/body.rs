//! Body that creates an action, and its stored form (WhiskAction.scala, Exec.scala,
//! Parameter.scala, Limits.scala).

use serde_json::{Map, Value, json};

use super::answer::Rejection;
use super::{Setup, now_ms};

const MB: usize = 1 << 20;
/// Largest code that is stored, in bytes.
const MAX_CODE: usize = 48 * MB;
/// Largest size of parameters, and of annotations, in bytes.
const MAX_PARAMETERS: usize = MB;

/// Stored action.
#[derive(Debug, Clone)]
pub struct Action {
    pub package: String,
    pub name: String,
    pub exec: Exec,
    pub parameters: Map<String, Value>,
    /// Names of parameters that are passed to `/init` only.
    pub init: Vec<String>,
    pub limits: Limits,
    pub version: (u64, u64, u64),
    pub annotations: Map<String, Value>,
    pub publish: bool,
    updated: u64,
}

/// Executable of an action.
#[derive(Debug, Clone)]
pub struct Exec {
    pub kind: String,
    pub image: Option<String>,
    pub code: Option<String>,
    pub main: Option<String>,
}

/// Limits: milliseconds, MB, MB, activations.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub timeout: u64,
    pub memory: u64,
    pub logs: u64,
    pub concurrency: u64,
}

/// A `WhiskActionPut`.
pub struct Put {
    exec: Option<Exec>,
    parameters: Option<(Map<String, Value>, Vec<String>)>,
    limits: Map<String, Value>,
    version: Option<(u64, u64, u64)>,
    publish: Option<bool>,
    annotations: Option<Map<String, Value>>,
    del_annotations: Vec<String>,
}

impl Put {
    /// Parses and checks a body.
    pub fn read(body: &[u8], setup: &Setup) -> Result<Self, Rejection> {
        let value: Value = serde_json::from_slice(body).map_err(Rejection::malformed)?;
        let Value::Object(fields) = value else {
            return Err(Rejection::malformed("Object expected"));
        };
        let known = [
            "exec",
            "parameters",
            "limits",
            "version",
            "publish",
            "annotations",
            "delAnnotations",
            "name",
            "namespace",
        ];
        if let Some(stray) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(Rejection::malformed(format!(
                "the stand-in knows no field '{stray}' (OpenWhisk would ignore it)"
            )));
        }
        let exec = fields.get("exec").map(|exec| Exec::read(exec, setup)).transpose()?;
        let parameters = fields.get("parameters").map(key_values).transpose()?;
        let annotations = fields.get("annotations").map(key_values).transpose()?;
        if let Some(exec) = &exec {
            too_big("exec", exec.size(), MAX_CODE)?;
        }
        for (name, values) in [("parameters", &parameters), ("annotations", &annotations)] {
            let size = |(values, _): &(Map<String, Value>, Vec<String>)| {
                values.iter().map(|(key, value)| key.len() + value.to_string().len()).sum()
            };
            too_big(name, values.as_ref().map_or(0, size), MAX_PARAMETERS)?;
        }
        let limits = match fields.get("limits") {
            None => Map::new(),
            Some(Value::Object(limits)) => limits.clone(),
            Some(_) => return Err(Rejection::malformed("no valid json object passed")),
        };
        let put = Self {
            exec,
            parameters,
            version: fields.get("version").map(version).transpose()?,
            publish: fields
                .get("publish")
                .map(|value| {
                    value.as_bool().ok_or_else(|| Rejection::malformed("Expected Boolean"))
                })
                .transpose()?,
            annotations: annotations.map(|(values, _)| values),
            del_annotations: fields
                .get("delAnnotations")
                .map(strings)
                .transpose()?
                .unwrap_or_default(),
            limits,
        };
        put.limits_over(Limits::STANDARD, setup)?;
        Ok(put)
    }

    /// Returns the limits of the body, with `base` for those that are missing.
    fn limits_over(&self, base: Limits, setup: &Setup) -> Result<Limits, Rejection> {
        let mut limits = base;
        let bad = |message: String| Err(Rejection::new(400, message));
        for (name, value) in &self.limits {
            let number = value.as_u64().ok_or_else(|| {
                Rejection::malformed(format!("{name} limit must be whole number"))
            })?;
            match name.as_str() {
                "timeout" if number > 300_000 => {
                    return bad(format!(
                        "duration {number} milliseconds exceeds allowed threshold of 300000 \
                            milliseconds"
                    ));
                }
                "timeout" if number < 100 => {
                    return bad(format!(
                        "duration {number} milliseconds below allowed threshold of 100 milliseconds"
                    ));
                }
                "timeout" => limits.timeout = number,
                "memory" if number > setup.max_memory => {
                    return bad(format!(
                        "memory size {number} MB exceeds allowed threshold of {} MB",
                        setup.max_memory
                    ));
                }
                "memory" if number < setup.min_memory => {
                    return bad(format!(
                        "memory size {number} MB below allowed threshold of {} MB",
                        setup.min_memory
                    ));
                }
                "memory" => limits.memory = number,
                "logs" if number > 10 => {
                    return bad(format!("log size {number} MB exceeds allowed threshold of 10 MB"));
                }
                "logs" => limits.logs = number,
                "concurrency" if number > setup.max_concurrency => {
                    return bad(format!(
                        "concurrency {number} exceeds allowed threshold of {}",
                        setup.max_concurrency
                    ));
                }
                "concurrency" if number < 1 => {
                    return bad(format!("concurrency {number} below allowed threshold of 1"));
                }
                "concurrency" => limits.concurrency = number,
                _ => {
                    return Err(Rejection::malformed(format!(
                        "the stand-in knows no limit '{name}'"
                    )));
                }
            }
        }
        Ok(limits)
    }
}

impl Limits {
    /// Default limits in `application.conf`.
    const STANDARD: Self = Self { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 };

    pub fn json(self) -> Value {
        json!({ "timeout": self.timeout, "memory": self.memory, "logs": self.logs, "concurrency": self.concurrency })
    }
}

impl Exec {
    fn read(value: &Value, setup: &Setup) -> Result<Self, Rejection> {
        let fields = value.as_object().ok_or_else(|| Rejection::malformed("exec undefined"))?;
        let text = |name: &str| fields.get(name).map(|value| value.as_str().map(str::to_owned));
        if let Some(stray) = fields
            .keys()
            .find(|name| !["kind", "code", "image", "main", "binary"].contains(&name.as_str()))
        {
            return Err(Rejection::malformed(format!(
                "the stand-in knows no field '{stray}' in 'exec' (OpenWhisk would ignore it)"
            )));
        }
        let Some(Some(kind)) = text("kind") else {
            return Err(Rejection::malformed("'kind' must be a string defined in 'exec'"));
        };
        let kind = kind.trim().to_lowercase();
        let main = match text("main") {
            Some(None) => {
                return Err(Rejection::malformed(format!(
                    "if defined, 'main' be a string in 'exec' for '{kind}' actions"
                )));
            }
            other => other.flatten(),
        };
        if kind == "blackbox" {
            let image = text("image").flatten();
            let image = image.ok_or_else(|| {
                Rejection::malformed(
                    "'image' must be a string defined in 'exec' for 'blackbox' actions",
                )
            })?;
            let image = Some(
                image_name(&image)
                    .ok_or_else(|| Rejection::malformed("could not parse image name"))?,
            );
            let code = text("code")
                .map(|code| code.ok_or_else(|| Rejection::malformed("attachment expected")))
                .transpose()?;
            return Ok(Self {
                kind,
                image,
                code: code.filter(|code| !code.trim().is_empty()),
                main,
            });
        }
        let kinds: &[&str] =
            if setup.kind { &["nodejs:20", "wasm:component"] } else { &["nodejs:20"] };
        let real = match kind.as_str() {
            "nodejs:default" => "nodejs:20",
            "wasm:default" => "wasm:component",
            other => other,
        };
        if !kinds.contains(&real) {
            let known = kinds
                .iter()
                .chain(&["sequence", "blackbox"])
                .map(|kind| format!("'{kind}'"))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Rejection::malformed(format!(
                "The specified runtime '{kind}' is not supported by this platform. Valid values \
                    are: {known}."
            )));
        }
        let Some(Some(code)) = text("code") else {
            return Err(Rejection::malformed(format!(
                "'code' must be a string or attachment object defined in 'exec' for '{kind}' actions"
            )));
        };
        Ok(Self { kind: real.to_owned(), image: None, code: Some(code), main })
    }

    fn size(&self) -> usize {
        [&self.code, &self.main, &self.image].into_iter().flatten().map(String::len).sum()
    }

    /// Reports whether the code is base64, which OpenWhisk detects by its pattern.
    pub fn binary(&self) -> bool {
        self.code.as_deref().is_some_and(is_base64)
    }

    fn json(&self, with_code: bool) -> Value {
        let mut exec = json!({ "kind": self.kind, "binary": self.binary() });
        let code = self.code.as_ref().filter(|_| with_code);
        for (name, value) in
            [("image", self.image.as_ref()), ("code", code), ("main", self.main.as_ref())]
        {
            if let Some(value) = value {
                exec[name] = json!(value);
            }
        }
        exec
    }
}

/// Reports whether `code` is base64 (`isBinaryCode`).
fn is_base64(code: &str) -> bool {
    let text = code.trim();
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && padding <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

/// Parses an image name by Docker's grammar; the result has no digest, because
/// `ImageName.fromString` drops it.
fn image_name(text: &str) -> Option<String> {
    let (text, digest) =
        text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let hex = |digest: &str| digest.len() >= 32 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if digest.is_some_and(|digest| !digest.split_once(':').is_some_and(|(_, digits)| hex(digits))) {
        return None;
    }
    let (path, tag) = match text.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (text, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let tag_fits = tag.is_none_or(|tag| {
        !tag.is_empty()
            && tag.starts_with(word)
            && tag.chars().all(|c| word(c) || c == '.' || c == '-')
    });
    let mut parts = path.split('/').peekable();
    let registry = parts
        .peek()
        .is_some_and(|first| path.contains('/') && (first.contains('.') || first.contains(':')));
    if registry {
        parts.next();
    }
    let part_fits = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(edge)
            && part.ends_with(edge)
            && part.chars().all(|c| edge(c) || "._-".contains(c))
    };
    (tag_fits && parts.all(part_fits)).then(|| text.to_owned())
}

impl Action {
    /// Creates an action (`makeWhiskAction`).
    pub fn make(package: &str, name: &str, put: Put, setup: &Setup) -> Result<Self, Rejection> {
        let limits = put.limits_over(Limits::STANDARD, setup)?;
        let exec = put.exec.ok_or_else(|| Rejection::new(400, "exec undefined"))?;
        let mut annotations = put.annotations.unwrap_or_default();
        annotations.entry("provide-api-key").or_insert(json!(false));
        annotations.insert("exec".to_owned(), json!(exec.kind));
        let (parameters, init) = put.parameters.unwrap_or_default();
        Ok(Self {
            package: package.to_owned(),
            name: name.to_owned(),
            exec,
            parameters,
            init,
            limits,
            version: put.version.unwrap_or((0, 0, 1)),
            annotations,
            publish: put.publish.unwrap_or(false),
            updated: now_ms(),
        })
    }

    /// Returns this action with changes (`updateWhiskAction`): annotations are merged, parameters
    /// replaced.
    pub fn update(&self, put: Put, setup: &Setup) -> Result<Self, Rejection> {
        let limits = put.limits_over(self.limits, setup)?;
        let exec = put.exec.unwrap_or_else(|| self.exec.clone());
        let mut annotations = self.annotations.clone();
        annotations.retain(|name, _| !put.del_annotations.contains(name));
        annotations.extend(put.annotations.unwrap_or_default());
        annotations.insert("exec".to_owned(), json!(exec.kind));
        let (parameters, init) =
            put.parameters.unwrap_or_else(|| (self.parameters.clone(), self.init.clone()));
        let (major, minor, patch) = self.version;
        Ok(Self {
            exec,
            parameters,
            init,
            limits,
            version: put.version.unwrap_or((major, minor, patch + 1)),
            annotations,
            publish: put.publish.unwrap_or(self.publish),
            updated: now_ms(),
            ..self.clone()
        })
    }

    /// Returns `namespace` or `namespace/package`.
    pub fn namespace(&self) -> String {
        if self.package.is_empty() { "guest".to_owned() } else { format!("guest/{}", self.package) }
    }

    pub fn version(&self) -> String {
        let (major, minor, patch) = self.version;
        format!("{major}.{minor}.{patch}")
    }

    /// Reports whether an annotation is true; `absent` if it does not exist.
    pub fn is(&self, annotation: &str, absent: bool) -> bool {
        self.annotations.get(annotation).map_or(absent, |value| match value {
            Value::Bool(value) => *value,
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Number(number) => number.as_f64() != Some(0.0),
            _ => true,
        })
    }

    /// Returns the form of a single action.
    pub fn json(&self, with_code: bool) -> Value {
        let parameters = self.parameters.iter().map(|(key, value)| {
            if self.init.contains(key) {
                json!({ "key": key, "value": value, "init": true })
            } else {
                json!({ "key": key, "value": value })
            }
        });
        json!({
            "namespace": self.namespace(), "name": self.name, "exec": self.exec.json(with_code), "parameters": parameters.collect::<Value>(),
            "limits": self.limits.json(), "version": self.version(), "publish": self.publish, "annotations": pairs(&self.annotations),
            "updated": self.updated,
        })
    }

    /// Returns the form of an entry of a list (`summaryAsJson`).
    pub fn summary(&self) -> Value {
        json!({
            "namespace": self.namespace(), "name": self.name, "version": self.version(), "publish": self.publish,
            "annotations": pairs(&self.annotations), "updated": self.updated, "limits": self.limits.json(),
            "exec": { "binary": self.exec.binary() },
        })
    }
}

/// Converts an object to `[{"key", "value"}]`.
pub fn pairs(values: &Map<String, Value>) -> Value {
    values.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// Converts `[{"key", "value", "init"?}]` to an object, and returns the names with `init`.
pub fn key_values(value: &Value) -> Result<(Map<String, Value>, Vec<String>), Rejection> {
    let malformed = || Rejection::malformed("parameters malformed!");
    let mut values = Map::new();
    let mut init = Vec::new();
    for pair in value.as_array().ok_or_else(malformed)? {
        let fields = pair.as_object().ok_or_else(malformed)?;
        let (key, value) = fields
            .get("key")
            .and_then(Value::as_str)
            .zip(fields.get("value"))
            .ok_or_else(malformed)?;
        match fields.get("init") {
            Some(Value::Bool(true)) => init.push(key.to_owned()),
            None | Some(Value::Bool(false)) => {}
            Some(_) => return Err(malformed()),
        }
        if fields
            .keys()
            .any(|name| !["key", "value", "init", "encryption"].contains(&name.as_str()))
            || key.trim().is_empty()
        {
            return Err(malformed());
        }
        values.insert(key.to_owned(), value.clone());
    }
    Ok((values, init))
}

fn strings(value: &Value) -> Result<Vec<String>, Rejection> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let strings = value.as_array().and_then(|values| values.iter().map(text).collect());
    strings.ok_or_else(|| Rejection::malformed("Expected Array of String"))
}

fn version(value: &Value) -> Result<(u64, u64, u64), Rejection> {
    let numbers = value
        .as_str()
        .map(|text| text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>());
    match numbers.flatten().as_deref() {
        Some([major, minor, patch]) => Ok((*major, *minor, *patch)),
        _ => Err(Rejection::malformed("semantic version malformed")),
    }
}

fn too_big(name: &str, is: usize, allowed: usize) -> Result<(), Rejection> {
    if is <= allowed {
        Ok(())
    } else {
        Err(Rejection::new(413, format!("{name} larger than allowed: {is} > {allowed} bytes.")))
    }
}
