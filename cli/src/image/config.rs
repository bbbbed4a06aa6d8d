//! The config of an image: its command, user and variables. Kept as JSON, so that members of a base
//! that are not known here are preserved.

use serde_json::{Map, Value, json};

use super::label;
use super::layer::Layer;
use super::root::{CACHE, CERTIFICATES, COMMAND, DATA, RUNTIME, Root, USER};
use super::time::Time;

/// Media type of a config in an OCI image.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Path of the action in an image.
pub const ACTION: &str = "/action/action.wasm";
/// Folder that the runtime writes to during the life of a container, if the file system is writable
/// there.
const SCRATCH: &str = "/tmp/keynet-inference";

/// Config of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Config(Map<String, Value>);

impl Config {
    /// Creates the config of a base without layers.
    pub fn base(root: &Root, time: Time) -> Self {
        let environment: Vec<_> =
            environment(root).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let labels: Map<_, _> =
            labels(root).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let config = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": time.text(),
            "config": {
                "User": format!("{USER}:{USER}"),
                "ExposedPorts": { "8080/tcp": {} },
                "Env": environment,
                "Entrypoint": [RUNTIME],
                "WorkingDir": "/",
                "StopSignal": "SIGTERM",
                "Labels": labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [] },
            "history": [],
        });
        Self(config.as_object().cloned().unwrap_or_default())
    }

    /// Creates the config of a node's image without layers.
    pub fn node(root: &Root, time: Time) -> Self {
        let mut config = Self::base(root, time);
        let settings = [
            ("ExposedPorts", json!({ "3233/tcp": {} })),
            ("Entrypoint", json!([COMMAND])),
            (
                "Cmd",
                json!([
                    "serve",
                    "--config",
                    "/etc/keynet/node.toml",
                    "--data",
                    DATA,
                    "--listen",
                    "0.0.0.0:3233"
                ]),
            ),
        ];
        for (name, value) in settings {
            if let Some(inner) = config.inner(name, Value::Null) {
                *inner = value;
            }
        }
        config.set_variable("KEYNET_CACHE", CACHE);
        config.set_variable("KEYNET_STATE_DIR", &format!("{DATA}/state"));
        config.set_label("org.opencontainers.image.title", "keynet-inference node");
        config.set_label(
            "org.opencontainers.image.description",
            "Serves OpenWhisk's API and runs the actions of many tenants in one process",
        );
        config
    }

    /// Parses a config.
    ///
    /// # Errors
    /// The text is not a config; the error is the reason.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let config: Map<_, _> = serde_json::from_slice(text)
            .map_err(|error| format!("its config cannot be read: {error}"))?;
        let list =
            |value: Option<&Value>| value.is_none_or(|value| value.is_array() || value.is_null());
        let object =
            |value: Option<&Value>| value.is_none_or(|value| value.is_object() || value.is_null());
        let inner = config.get("config");
        let sound = config
            .get("rootfs")
            .and_then(|rootfs| rootfs.get("diff_ids"))
            .is_some_and(Value::is_array)
            && list(config.get("history"))
            && object(inner)
            && object(inner.and_then(|inner| inner.get("Labels")))
            && list(inner.and_then(|inner| inner.get("Env")));
        if sound {
            Ok(Self(config))
        } else {
            Err("its config is not that of a container image".to_owned())
        }
    }

    /// Returns the JSON text.
    pub fn text(&self) -> Vec<u8> {
        Value::Object(self.0.clone()).to_string().into_bytes()
    }

    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.0.get("config")?.get("Labels")?.get(name)?.as_str()
    }

    /// Returns `os/architecture`.
    pub fn platform(&self) -> String {
        let text = |name: &str| self.0.get(name).and_then(Value::as_str).unwrap_or("unknown");
        format!("{}/{}", text("os"), text("architecture"))
    }

    /// Returns the number of layers that it names.
    pub fn layers(&self) -> usize {
        self.0
            .get("rootfs")
            .and_then(|rootfs| rootfs.get("diff_ids"))
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    }

    /// Sets a label.
    pub fn set_label(&mut self, name: &str, value: &str) {
        let labels = self.inner("Labels", json!({})).and_then(Value::as_object_mut);
        labels.map(|labels| labels.insert(name.to_owned(), value.into()));
    }

    /// Sets an environment variable.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let line = Value::from(format!("{name}={value}"));
        let start = format!("{name}=");
        let Some(lines) = self.inner("Env", json!([])).and_then(Value::as_array_mut) else {
            return;
        };
        match lines
            .iter_mut()
            .find(|line| line.as_str().is_some_and(|line| line.starts_with(&start)))
        {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }

    /// Appends a layer; `command` is the history's `created_by`.
    pub fn add_layer(&mut self, layer: &Layer, command: &str, time: Time) {
        self.0.insert("created".to_owned(), time.text().into());
        let diff_ids = self
            .0
            .get_mut("rootfs")
            .and_then(|rootfs| rootfs.get_mut("diff_ids"))
            .and_then(Value::as_array_mut);
        diff_ids.into_iter().for_each(|ids| ids.push(layer.diff_id.to_string().into()));
        let history = or_insert(&mut self.0, "history", json!([]));
        let entry = json!({ "created": time.text(), "created_by": command });
        history.as_array_mut().into_iter().for_each(|history| history.push(entry.clone()));
    }

    /// Returns a member of `config`, and creates it if it is missing.
    fn inner(&mut self, name: &str, empty: Value) -> Option<&mut Value> {
        let config = or_insert(&mut self.0, "config", json!({})).as_object_mut()?;
        Some(or_insert(config, name, empty))
    }
}

fn or_insert<'map>(map: &'map mut Map<String, Value>, name: &str, empty: Value) -> &'map mut Value {
    let slot = map.entry(name).or_insert(Value::Null);
    if slot.is_null() {
        *slot = empty;
    }
    slot
}

/// Returns the variables of a base, sorted by name.
pub fn environment(root: &Root) -> [(&'static str, String); 6] {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("KEYNET_ACTION", ACTION.to_owned()),
        ("KEYNET_CACHE", format!("{SCRATCH}/cache")),
        ("KEYNET_CPU", root.cpu.to_string()),
        ("KEYNET_STATE_DIR", format!("{SCRATCH}/state")),
        ("SSL_CERT_FILE", CERTIFICATES.to_owned()),
    ]
}

/// Returns the labels of a base.
pub fn labels(root: &Root) -> [(&'static str, String); 8] {
    [
        (label::CPU, root.cpu.to_string()),
        (label::ENGINE, root.identity.engine.clone()),
        (label::VERSION, root.identity.version.clone()),
        (
            "org.opencontainers.image.description",
            "Runs inference actions: WebAssembly components in a sandbox".to_owned(),
        ),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE").to_owned()),
        ("org.opencontainers.image.source", env!("CARGO_PKG_REPOSITORY").to_owned()),
        ("org.opencontainers.image.title", "keynet-runtime".to_owned()),
        ("org.opencontainers.image.version", root.identity.version.clone()),
    ]
}

/// Returns this machine's architecture in the names of OCI. The runtime and libraries in an image
/// were built for this machine.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use keynet_base::cpu::Cpu;
    use keynet_host::engine::Identity;

    use super::*;
    use crate::image::tree::{Entry, Tree};

    fn root() -> Root {
        let identity = Identity { version: "0.1.0".to_owned(), engine: "sha256:1".to_owned() };
        Root { tree: Tree::default(), identity, cpu: Cpu::X86_64V3 }
    }

    fn layer() -> Layer {
        let mut tree = Tree::default();
        tree.put("a", Entry::File(b"a".to_vec()));
        Layer::of(&tree, Time::from_environment().unwrap())
    }

    #[test]
    fn a_base_is_run_by_nobody_in_particular() {
        let mut config = Config::base(&root(), Time::from_environment().unwrap());
        config.add_layer(&layer(), "test", Time::from_environment().unwrap());
        let text = String::from_utf8(config.text()).unwrap();
        for part in [
            r#""User":"65532:65532""#,
            r#""ExposedPorts":{"8080/tcp":{}}"#,
            r#""Entrypoint":["/usr/bin/keynet-runtime"]"#,
            r#""KEYNET_CPU=x86-64-v3""#,
            r#""io.keynet.inference.engine":"sha256:1""#,
            &format!(r#""diff_ids":["{}"]"#, layer().diff_id),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!((config.label(label::CPU), config.layers()), (Some("x86-64-v3"), 1));
        assert_eq!(Config::parse(text.as_bytes()).unwrap(), config);
    }

    #[test]
    fn what_a_base_says_beyond_this_stays() {
        let text = br#"{"rootfs":{"diff_ids":["sha256:0"],"type":"layers"},"config":{"Env":["A=1","KEYNET_ACTION=x"],"Healthcheck":{"Test":["CMD"]}},"x":1}"#;
        let mut config = Config::parse(text).unwrap();
        config.set_variable("KEYNET_ACTION", ACTION);
        config.set_variable("B", "2");
        config.set_label("a", "b");
        config.add_layer(&layer(), "test", Time::from_environment().unwrap());
        let all: Value = serde_json::from_slice(&config.text()).unwrap();
        assert_eq!(
            all["config"]["Env"],
            json!(["A=1", "KEYNET_ACTION=/action/action.wasm", "B=2"])
        );
        assert_eq!(
            (&all["config"]["Healthcheck"]["Test"], &all["x"]),
            (&json!(["CMD"]), &json!(1))
        );
        assert_eq!(all["config"]["Labels"], json!({"a": "b"}));
        assert_eq!((config.layers(), all["history"].as_array().unwrap().len()), (2, 1));
    }

    #[test]
    fn a_config_that_is_empty_or_strange_is_no_panic() {
        let mut config =
            Config::parse(br#"{"rootfs":{"diff_ids":[]},"config":null,"history":null}"#).unwrap();
        config.set_variable("A", "1");
        config.add_layer(&layer(), "test", Time::from_environment().unwrap());
        assert_eq!((config.layers(), config.platform().as_str()), (1, "unknown/unknown"));
        for strange in [
            "",
            "[]",
            "{}",
            r#"{"rootfs":1}"#,
            r#"{"rootfs":{"diff_ids":[]},"config":[]}"#,
            r#"{"rootfs":{"diff_ids":[]},"config":{"Env":"A=1"}}"#,
        ] {
            assert!(Config::parse(strange.as_bytes()).is_err(), "{strange}");
        }
    }

    /// A base that a container engine builds from the Containerfile is the same image.
    #[test]
    fn the_containerfile_says_the_same() {
        let file = crate::image::base::containerfile(&root());
        let has = |line: String| assert!(file.lines().any(|own| own == line), "{line}");
        for (name, value) in environment(&root()) {
            has(format!(
                "ENV {name}={}",
                if name == "KEYNET_CPU" { "$CPU".to_owned() } else { value }
            ));
        }
        for (name, value) in labels(&root()) {
            let value = match name {
                label::CPU => "$CPU".to_owned(),
                label::ENGINE => "$ENGINE".to_owned(),
                _ if name.ends_with("version") => "$VERSION".to_owned(),
                _ if value.contains(' ') => format!("{value:?}"),
                _ => value,
            };
            has(format!("LABEL {name}={value}"));
        }
        has(format!("USER {USER}:{USER}"));
        has(format!("ENTRYPOINT [{RUNTIME:?}]"));
        has("EXPOSE 8080".to_owned());
        has("ARG ENGINE=sha256:1".to_owned());
        has("ARG CPU=x86-64-v3".to_owned());
        assert_eq!(
            file.lines().filter(|line| line.starts_with("ENV ")).count(),
            environment(&root()).len()
        );
        assert_eq!(
            file.lines().filter(|line| line.starts_with("LABEL ")).count(),
            labels(&root()).len()
        );
    }
}
