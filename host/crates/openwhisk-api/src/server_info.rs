//! OpenWhisk's description of itself at `GET /`: the kinds of its runtimes manifest and its limits.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Kind that runs actions of this project, if the operator has installed it.
pub const KIND: &str = "wasm:component";

const MB: u64 = 1 << 20;

/// Kinds and limits; empty if the server reports neither.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ServerInfo {
    #[serde(default)]
    runtimes: BTreeMap<String, Vec<Runtime>>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Debug, Clone, Deserialize)]
struct Runtime {
    kind: String,
    #[serde(default)]
    deprecated: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Limits {
    default_max_action_memory: Option<u64>,
    max_action_memory: Option<u64>,
}

impl ServerInfo {
    /// Reports whether actions of a kind can be created.
    pub fn has(&self, kind: &str) -> bool {
        self.runtimes.values().flatten().any(|runtime| runtime.kind == kind && !runtime.deprecated)
    }

    /// Returns the kinds, for a message.
    pub fn kinds(&self) -> Vec<&str> {
        self.runtimes
            .values()
            .flatten()
            .filter(|runtime| !runtime.deprecated)
            .map(|runtime| runtime.kind.as_str())
            .collect()
    }

    /// Returns the largest memory of an action in MB; OpenWhisk's default if the server does not
    /// report it.
    pub fn max_memory(&self) -> u64 {
        self.limits
            .default_max_action_memory
            .or(self.limits.max_action_memory)
            .map_or(512, |bytes| bytes / MB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_limits_are_read() {
        let platform: ServerInfo = serde_json::from_str(
            r#"{"description":"OpenWhisk","limits":{"max_action_memory":1073741824,"min_action_memory":1},
                "runtimes":{"wasm":[{"kind":"wasm:component","image":"a/b:1","default":true,"deprecated":false}],
                            "php":[{"kind":"php:7.4","deprecated":true}]}}"#,
        )
        .unwrap();
        assert!(platform.has(KIND) && !platform.has("php:7.4"));
        assert_eq!((platform.kinds(), platform.max_memory()), (vec![KIND], 1024));
        let silent: ServerInfo = serde_json::from_str("{}").unwrap();
        assert_eq!((silent.has(KIND), silent.max_memory()), (false, 512));
    }
}
