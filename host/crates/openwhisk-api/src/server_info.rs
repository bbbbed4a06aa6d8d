//! What an OpenWhisk says of itself at `GET /`: the kinds of its manifest and its limits.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The kind that runs actions of this project, where an operator has installed it.
pub const KIND: &str = "wasm:component";

const MB: u64 = 1 << 20;

/// The kinds and limits; empty where the server tells neither.
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
    /// Whether actions of a kind can be made.
    pub fn has(&self, kind: &str) -> bool {
        self.runtimes.values().flatten().any(|runtime| runtime.kind == kind && !runtime.deprecated)
    }

    /// The kinds, for a message.
    pub fn kinds(&self) -> Vec<&str> {
        self.runtimes
            .values()
            .flatten()
            .filter(|runtime| !runtime.deprecated)
            .map(|runtime| runtime.kind.as_str())
            .collect()
    }

    /// The most memory an action may have, in MB; OpenWhisk's own default where it is not told.
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
