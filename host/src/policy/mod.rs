//! Models, objects, hosts and resources that an action may use.
//!
//! The operator *grants*, in the file that `KEYNET_POLICY` names; an action *requests*, in the
//! `keynet.toml` that its build put into the component. An action may do what it requests and the
//! policy grants. An action without a request gets all that the policy grants; nothing inside a
//! component can grant.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use keynet_artifact::CapabilityRequest;
use keynet_artifact::capability_request::LONGEST_TOLD;
use keynet_base::granted::Granted;
use keynet_base::patterns::Patterns;

use keynet_base::config::{LimitOverrides, parse_bytes, parse_duration};
use keynet_base::quote::bounded;

/// Grants of an operator to actions.
///
/// ```toml
/// models = ["detector", "team-*"]  # names; a star at the end matches any rest
/// api-key = false                  # true: actions that request it get the caller's OpenWhisk key
///
/// [storage]
/// read = ["*"]                     # keys of the default bucket; other buckets: s3://bucket/key
/// write = ["results/*", "s3://shared/out/*"]
///
/// [http]
/// hosts = ["images.example.com"]   # hosts whose URLs may be read
/// private-addresses = false        # true: these may be on a private network
///
/// [limits]
/// memory = "256MiB"
/// time = "60s"
/// logs = "10MiB"
/// handles = 4096
/// call-bytes = "64MiB"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Models that may be used.
    pub models: Patterns,
    /// `true` if actions that request `__OW_API_KEY` receive it.
    pub api_key: bool,
    /// Objects that may be read and written.
    pub storage: StorageGrant,
    /// Hosts whose URLs may be read.
    pub http: HttpGrant,
    /// Limits of one activation.
    pub limits: Limits,
}

/// Objects that may be read and written; writing includes putting, deleting and presigning a put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageGrant {
    /// Locations that may be read. A listing contains only these.
    pub read: Patterns,
    /// Locations that may be written and deleted.
    pub write: Patterns,
}

/// Hosts whose http(s) URLs may be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpGrant {
    /// Host names.
    pub hosts: Patterns,
    /// `true` to permit private addresses for these hosts.
    pub private_addresses: bool,
}

/// Limits of one activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Memory in bytes: linear memories, tables, tensors, responses.
    #[serde(deserialize_with = "bytes", serialize_with = "in_bytes")]
    pub memory: u64,
    /// Time from its start to its result, if the caller sets no earlier deadline.
    #[serde(deserialize_with = "duration", serialize_with = "in_milliseconds")]
    pub time: Duration,
    /// Bytes of standard output and error; the rest is cut with a notice.
    #[serde(deserialize_with = "bytes", serialize_with = "in_bytes")]
    pub logs: u64,
    /// Number of tensors, objects, uploads and streams that are open.
    pub handles: u32,
    /// Bytes that one call may pass to the host.
    #[serde(deserialize_with = "bytes", serialize_with = "in_bytes")]
    pub call_bytes: u64,
}

impl Default for Policy {
    /// Returns the defaults of a policy file: the models and objects that the host is configured
    /// with, no private addresses.
    fn default() -> Self {
        Self {
            models: Patterns::any(),
            api_key: false,
            storage: StorageGrant::default(),
            http: HttpGrant::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for StorageGrant {
    fn default() -> Self {
        Self { read: Patterns::any(), write: Patterns::any() }
    }
}

impl Default for HttpGrant {
    fn default() -> Self {
        Self { hosts: Patterns::any(), private_addresses: false }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            time: Duration::from_secs(60),
            logs: 10 << 20,
            handles: 4096,
            call_bytes: 64 << 20,
        }
    }
}

/// Error of a policy file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("policy {path}: {why}")]
pub struct PolicyError {
    path: String,
    why: String,
}

impl Policy {
    /// Reads an operator's file. Missing settings have the values of [`Policy::default`].
    ///
    /// # Errors
    /// The file cannot be read, or contains an unknown setting.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let wrong = |why: String| PolicyError { path: path.display().to_string(), why };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    /// Parses the text of an operator's file. The error shows the line.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| bounded(error, LONGEST_TOLD))
    }

    /// Returns the policy for a developer's own machine: the default, and private addresses.
    pub fn local() -> Self {
        Self {
            http: HttpGrant { private_addresses: true, ..HttpGrant::default() },
            ..Self::default()
        }
    }

    /// Returns the policy for published actions on a developer's own machine: as in a container, no
    /// private addresses are reached, within the default limits.
    pub fn published() -> Self {
        Self::default()
    }

    /// Returns the policy for a container: the default, with the longest time that OpenWhisk
    /// allows, since each request brings its own deadline.
    pub fn container() -> Self {
        Self {
            limits: Limits { time: Duration::from_secs(300), ..Limits::default() },
            ..Self::default()
        }
    }

    /// Overrides the limits with those that the host's environment sets.
    #[must_use]
    pub fn with_limits(mut self, overrides: &LimitOverrides) -> Self {
        let limits = &mut self.limits;
        limits.memory = overrides.memory.unwrap_or(limits.memory);
        limits.time = overrides.time.unwrap_or(limits.time);
        limits.logs = overrides.logs.unwrap_or(limits.logs);
        limits.handles = overrides.handles.unwrap_or(limits.handles);
        limits.call_bytes = overrides.call_bytes.unwrap_or(limits.call_bytes);
        self
    }

    /// Returns the grants of an action with the request `ask`.
    pub fn grants(&self, ask: &CapabilityRequest) -> Grants {
        Grants {
            models: Granted::new(&self.models, ask.models.as_ref()),
            read: Granted::new(&self.storage.read, ask.storage.read.as_ref()),
            write: Granted::new(&self.storage.write, ask.storage.write.as_ref()),
            hosts: Granted::new(&self.http.hosts, ask.http.hosts.as_ref()),
            private_addresses: self.http.private_addresses,
            api_key: self.api_key && ask.api_key,
            api_key_requested: ask.api_key,
        }
    }
}

/// Grants of one action, resolved when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Models that it may use.
    pub models: Granted,
    /// Locations that it may read and list.
    pub read: Granted,
    /// Locations that it may write and delete.
    pub write: Granted,
    /// Hosts whose URLs it may read.
    pub hosts: Granted,
    /// `true` to permit private addresses for these hosts.
    pub private_addresses: bool,
    /// `true` if it receives `__OW_API_KEY`.
    pub api_key: bool,
    /// `true` if it requests `__OW_API_KEY`.
    pub api_key_requested: bool,
}

/// Kind of names that an action may use, with those of one action.
#[derive(Debug, Clone, Copy)]
pub struct GrantKind<'a> {
    /// Key of the request in `keynet.toml`.
    pub key: &'static str,
    /// Name in a list for people.
    pub label: &'static str,
    /// Interface that an action imports to use them.
    pub interface: &'static str,
    /// Names that the action may use.
    pub granted: &'a Granted,
}

impl Grants {
    /// Key of the request for `__OW_API_KEY` in `keynet.toml`.
    pub const API_KEY: &'static str = "api-key";

    /// Returns the kinds of names that an action may use.
    pub fn kinds(&self) -> [GrantKind<'_>; 4] {
        let kind = |key, label, interface, granted| GrantKind { key, label, interface, granted };
        [
            kind("models", "models", "triton-predict", &self.models),
            kind("storage.read", "read", "storage", &self.read),
            kind("storage.write", "write", "storage", &self.write),
            kind("http.hosts", "urls", "storage", &self.hosts),
        ]
    }

    /// Reports whether the action requests `__OW_API_KEY` and does not receive it.
    pub fn lacks_api_key(&self) -> bool {
        self.api_key_requested && !self.api_key
    }
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Bytes {
        Number(u64),
        Text(String),
    }
    let text = match Bytes::deserialize(deserializer)? {
        Bytes::Number(number) => number.to_string(),
        Bytes::Text(text) => text,
    };
    parse_bytes(&text).map_err(serde::de::Error::custom)
}

fn in_bytes<S: serde::Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{bytes}B"))
}

fn in_milliseconds<S: serde::Serializer>(
    time: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", time.as_millis()))
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::ErrorKind;

    #[test]
    fn the_documented_file_is_read() {
        let text: String = include_str!("mod.rs")
            .lines()
            .skip_while(|line| *line != "/// ```toml")
            .skip(1)
            .take_while(|line| *line != "/// ```")
            .map(|line| format!("{}\n", line.trim_start_matches("///")))
            .collect();
        let policy: Policy = toml::from_str(&text).unwrap();
        assert_eq!(policy.limits, Limits::default());
        assert!(policy.models.matches("team-a") && !policy.models.matches("other"));
        assert!(!policy.http.private_addresses);
    }

    #[test]
    fn a_policy_is_read_as_it_was_written() {
        let limits = Limits { memory: 1, time: Duration::from_millis(1500), ..Limits::default() };
        let policy = Policy { limits, ..Policy::local() };
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy, "{json}");
    }

    #[test]
    fn a_misspelt_grant_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, "model = ['x']\n").unwrap();
        let error = Policy::read(&path).unwrap_err().to_string();
        assert!(error.contains("policy.toml") && error.contains("model"), "{error}");
    }

    #[test]
    fn an_action_gets_what_it_asks_for_and_the_policy_grants() {
        let policy =
            Policy { models: ["detector", "team-*"].into_iter().collect(), ..Policy::default() };
        let ask: CapabilityRequest = toml::from_str("models = ['detector', 'secret']").unwrap();
        let grants = policy.grants(&ask);
        assert!(grants.models.check("model", "detector").is_ok());
        let not_granted = grants.models.check("model", "secret").unwrap_err();
        assert_eq!(not_granted.kind, ErrorKind::Denied);
        assert!(not_granted.message.contains("policy"), "{not_granted}");
        let not_asked = grants.models.check("model", "team-a").unwrap_err();
        assert!(not_asked.message.contains("keynet.toml"), "{not_asked}");
        assert!(
            policy.grants(&CapabilityRequest::default()).models.check("model", "team-a").is_ok()
        );
    }

    #[test]
    fn a_listing_has_what_is_granted_and_asked_for() {
        let grant = StorageGrant {
            read: ["report", "results/*", "s3://shared/out/*"].into_iter().collect(),
            ..StorageGrant::default()
        };
        let policy = Policy { storage: grant, ..Policy::default() };
        let below = |ask: &str, prefix: &str| {
            let listed =
                policy.grants(&toml::from_str(ask).unwrap()).read.beginning_with("listing", prefix);
            listed.map(|patterns| patterns.iter().map(str::to_owned).collect::<Vec<_>>())
        };
        for (prefix, listed) in [
            ("", ["report", "results/*"].as_slice()),
            ("re", &["report", "results/*"]),
            ("report", &["report"]),
            ("results/2026", &["results/2026*"]),
            ("s3://shared/", &["s3://shared/out/*"]),
        ] {
            assert_eq!(below("", prefix).unwrap(), listed, "{prefix}");
        }
        assert_eq!(below("storage.read = ['results/a/*']", "").unwrap(), ["results/a/*"]);
        for (ask, prefix, blamed) in [
            ("", "report-", "policy"),
            ("", "s3://shared/in/", "policy"),
            ("", "s3://other/", "s3://bucket/*"),
            ("storage.read = ['results/a/*']", "report", "keynet.toml"),
        ] {
            let error = below(ask, prefix).unwrap_err();
            assert!(error.kind == ErrorKind::Denied && error.message.contains(blamed), "{error}");
        }
    }
}
