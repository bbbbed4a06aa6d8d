//! Callers who bring servers of their own in the parameters of `/run`, where the operator allows it.
//!
//! Each server is one unit: a caller's store is asked with a caller's credentials, never with the host's. The clients see to it that a
//! caller's servers are at public addresses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::action::{Action, Means};
use crate::config::{Config, ConfigError, Origin, is_reserved};
use crate::host::Backends;

/// Connections are kept for so many callers' servers; those used longest ago go first.
const KEPT: usize = 8;

/// The names and values that a caller sent.
type Sent = BTreeMap<String, String>;

/// What callers bring to one action.
pub(super) struct OwnServers {
    /// The container's and `/init`'s variables, which come first; none where callers may bring nothing.
    before: Option<[(Origin, BTreeMap<String, String>); 2]>,
    known: Mutex<Vec<(Sent, Arc<Means>)>>,
}

impl OwnServers {
    /// Nobody may.
    pub(super) fn refused() -> Self {
        Self { before: None, known: Mutex::default() }
    }

    /// For what the container and `/init` leave open.
    pub(super) fn allowed(container: BTreeMap<String, String>, init: BTreeMap<String, String>) -> Self {
        Self { before: Some([(Origin::Container, container), (Origin::Init, init)]), known: Mutex::default() }
    }

    /// What `action` works with for a caller with the argument `value`; none for the action's own.
    ///
    /// # Errors
    /// What the caller sent cannot be used.
    pub(super) fn means(&self, action: &Action, value: &str) -> Result<Option<Arc<Means>>, ConfigError> {
        let Some(before) = &self.before else { return Ok(None) };
        let sent = sent(value);
        if sent.is_empty() {
            return Ok(None);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|(other, _)| *other == sent) {
            let used = known.remove(at);
            let means = Arc::clone(&used.1);
            known.push(used);
            return Ok(Some(means));
        }
        let mut origins = before.to_vec();
        origins.push((Origin::Parameters, sent.clone()));
        let means = Arc::new(action.means_with(&Backends::of(&Config::from_origins(origins)?)));
        if known.len() == KEPT {
            known.remove(0);
        }
        known.push((sent, Arc::clone(&means)));
        Ok(Some(means))
    }
}

/// The configuration in an argument: what [`Config`] reads of a caller, which is never about the host itself.
fn sent(value: &str) -> Sent {
    let Ok(Value::Object(fields)) = serde_json::from_str(value) else { return Sent::new() };
    let of_servers = fields.into_iter().filter(|(name, _)| is_reserved(name) && !name.starts_with("KEYNET_"));
    of_servers.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_sends_servers_and_nothing_that_runs_the_host() {
        let sent = sent(r#"{"TRITON_URL": "http://t:8001", "KEYNET_MEMORY": "1TiB", "name": "Ada", "MODEL_NAME": 3}"#);
        assert_eq!(sent, Sent::from([("TRITON_URL".to_owned(), "http://t:8001".to_owned())]));
        assert!(super::sent("[1]").is_empty() && super::sent("{").is_empty());
    }
}
