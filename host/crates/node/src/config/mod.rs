//! `node.toml`: the address, the limits of the process, and the namespaces.
//!
//! Paths in the file are relative to its folder. A file of credentials must belong to this user and
//! be readable by nobody else.

mod namespace;
mod private_file;

pub use namespace::{NamespaceConfig, Quotas};
pub use private_file::PrivateFileError;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keynet_base::config::{parse_bytes, parse_duration};
use keynet_base::quote::bounded;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::entities::check_name;

/// Address of a node whose file sets none.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:3233";

/// Maximum length in bytes of an error of the file's syntax.
const MAX_WHY: usize = 2_000;

/// Configuration of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeConfig {
    /// Address that it listens on.
    #[serde(default = "default_address")]
    pub listen: SocketAddr,
    /// Address of `GET /metrics`; none without it.
    pub metrics: Option<SocketAddr>,
    /// Public URL, as actions see it in `__OW_API_HOST`; by default that of the address.
    pub url: Option<String>,
    /// Limits of the process.
    #[serde(default)]
    pub process: ProcessLimits,
    /// Retention of activation records.
    #[serde(default)]
    pub records: RecordLimits,
    /// Namespaces by name.
    #[serde(default)]
    pub namespaces: BTreeMap<String, NamespaceConfig>,
}

/// Limits of the process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProcessLimits {
    /// Largest number of activations at once.
    pub activations: u32,
    /// Largest memory of all activations together, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub memory: u64,
    /// Largest number of actions that stay loaded; further ones are loaded again when they run.
    pub loaded_actions: usize,
    /// Largest size of the compiled code of loaded actions, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub loaded_code: u64,
    /// Largest number of connections.
    pub connections: usize,
    /// Time that running activations have to end when the process is asked to stop.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
    /// Largest size of the compiled code on disk, in bytes.
    #[serde(deserialize_with = "bytes")]
    pub compiled: u64,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            activations: 1_000,
            memory: 4 << 30,
            loaded_actions: 2_000,
            loaded_code: 2 << 30,
            connections: 4_096,
            grace: Duration::from_secs(30),
            compiled: 4 << 30,
        }
    }
}

/// Retention of activation records, for each namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordLimits {
    /// Time that a record is kept.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// Size in bytes of all records of a namespace, logs and results included; the oldest go first.
    #[serde(deserialize_with = "bytes")]
    pub size: u64,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { keep: Duration::from_secs(7 * 24 * 3600), size: 1 << 30 }
    }
}

/// Error of a configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Reason.
        error: std::io::Error,
    },
    /// The file is not TOML, or has an unknown or wrong setting.
    #[error("{}: {why}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        why: String,
    },
    /// A namespace cannot be used.
    #[error("namespace {namespace:?}: {why}")]
    Namespace {
        /// Name of the namespace.
        namespace: String,
        /// What is wrong, and what to do.
        why: String,
    },
}

impl NodeConfig {
    /// Returns the configuration without a file and without namespaces.
    pub fn without_a_file() -> Self {
        Self {
            listen: default_address(),
            metrics: None,
            url: None,
            process: ProcessLimits::default(),
            records: RecordLimits::default(),
            namespaces: BTreeMap::new(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown setting, or names a file of credentials that others
    /// can read.
    pub fn read(path: &Path) -> Result<Self, NodeConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| NodeConfigError::Read { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, NodeConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| NodeConfigError::Syntax {
            path: path.to_owned(),
            why: bounded(error, MAX_WHY),
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for (name, namespace) in &mut config.namespaces {
            let wrong = |why: String| NodeConfigError::Namespace { namespace: name.clone(), why };
            check_name(name).map_err(|error| wrong(error.to_string()))?;
            if name == "_" {
                return Err(wrong("`_` stands for the caller's own namespace".to_owned()));
            }
            namespace.resolve(folder).map_err(wrong)?;
        }
        Ok(config)
    }
}

fn default_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 3233))
}

/// Reads a number of bytes with its unit, such as `"256MiB"`.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse_bytes(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Reads a duration with its unit, such as `"60s"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_documented_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let page = include_str!("../../../../../docs/node.md");
        let text = page.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
        for (name, content) in [
            (
                "keys/team-a.key",
                "11111111-2222-3333-4444-555555555555:".to_owned() + &"k".repeat(64),
            ),
            ("team-a.env", "TRITON_URL=http://127.0.0.1:8000\n".to_owned()),
        ] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let config = NodeConfig::parse(text, &folder.path().join("node.toml")).unwrap();
        let team = &config.namespaces["team-a"];
        assert!(team.quotas.concurrent > 0 && team.key_file.is_absolute());
    }

    #[test]
    fn a_misspelt_setting_is_named_with_its_line() {
        let error = NodeConfig::parse("listn = \"x\"\n", Path::new("node.toml")).unwrap_err();
        assert!(error.to_string().contains("listn"), "{error}");
        let error = NodeConfig::parse("[process]\nmemory = \"lots\"\n", Path::new("node.toml"))
            .unwrap_err();
        assert!(error.to_string().contains("256MiB"), "{error}");
    }
}
