//! Servers that callers name in the parameters of `/run`, if the operator allows it.
//!
//! Each server is one unit: a caller's store is accessed with the caller's credentials, never with
//! the host's. The clients ensure that a caller's servers are at public addresses. For servers that
//! a caller does not name, the action's own are used, and not opened again. A caller's servers are
//! opened on a thread that may block, few at a time, and kept for the next call; the numbers of
//! kept and used ones are limited.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::sync::{OnceCell, Semaphore};

use super::lifecycle::Loaded;
use super::request_json::{Name, string};
use crate::activation::Means;
use crate::backends::Backends;
use keynet_base::config::{Config, ConfigError, Origin, is_reserved};

/// Maximum number of callers' servers whose connections are kept while no activation uses them; the
/// least recently used are closed first.
const KEPT: usize = 8;

/// Maximum number of callers' servers in use.
const USED: usize = 64;

/// Maximum number of servers that are opened at a time: opening reads certificates and may take a
/// while.
const OPENED_AT_ONCE: usize = 2;

/// Maximum size in bytes of one of a caller's values, and maximum number of values.
const MAX_VALUE: usize = 8 << 10;
const MAX_VALUES: usize = 64;

/// Reason why a caller's servers cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum OwnServersError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "{USED} callers use servers of their own at this moment, and the container takes no more: \
            try again"
    )]
    Busy,
    #[error(
        "the servers in the parameters could not be opened in the time this activation has: try \
            again"
    )]
    Late,
    #[error("a thread of the host failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Names and values that a caller sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sent(BTreeMap<String, String>);

/// Callers' servers of one action.
pub(super) struct OwnServers(Option<Allowed>);

struct Allowed {
    /// The container's and `/init`'s variables, which take precedence.
    before: [(Origin, BTreeMap<String, String>); 2],
    /// Configuration from these variables.
    config: Config,
    known: Mutex<Vec<Known>>,
    opening: Arc<Semaphore>,
}

/// The servers of one caller.
struct Known {
    sent: Sent,
    means: Arc<OnceCell<Arc<Means>>>,
}

impl Known {
    /// Reports whether an activation opens or uses the servers.
    fn is_used(&self) -> bool {
        Arc::strong_count(&self.means) > 1
            || self.means.get().is_some_and(|means| Arc::strong_count(means) > 1)
    }
}

impl OwnServers {
    /// Allows no caller to name servers.
    pub(super) fn refused() -> Self {
        Self(None)
    }

    /// Allows callers to set what the container and `/init` leave open; together these two give
    /// `config`.
    pub(super) fn allowed(
        container: BTreeMap<String, String>,
        init: BTreeMap<String, String>,
        config: Config,
    ) -> Self {
        Self(Some(Allowed {
            before: [(Origin::Container, container), (Origin::Init, init)],
            config,
            known: Mutex::default(),
            opening: Arc::new(Semaphore::new(OPENED_AT_ONCE)),
        }))
    }

    /// Reports whether callers may name servers.
    pub(super) fn are_allowed(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the means of `action` for a caller that sent `sent`; `None` for the action's own.
    ///
    /// # Errors
    /// The caller's servers cannot be used, or not at the moment.
    pub(super) async fn means(
        &self,
        loaded: &Loaded,
        sent: Sent,
        due: Option<Instant>,
    ) -> Result<Option<Arc<Means>>, OwnServersError> {
        match self.0.as_ref().filter(|_| !sent.0.is_empty()) {
            None => Ok(None),
            // Boxed, so that the futures of activations without servers do not contain its state.
            Some(allowed) => Box::pin(allowed.means(loaded, sent, due)).await.map(Some),
        }
    }
}

impl Allowed {
    async fn means(
        &self,
        loaded: &Loaded,
        sent: Sent,
        due: Option<Instant>,
    ) -> Result<Arc<Means>, OwnServersError> {
        let means = self.known(&sent)?;
        let opened = means.get_or_try_init(|| self.open(loaded, sent));
        let opened = match due {
            Some(due) => tokio::time::timeout_at(due.into(), opened)
                .await
                .map_err(|_| OwnServersError::Late)?,
            None => opened.await,
        };
        opened.map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the cell for a caller's servers, which may not be opened yet.
    fn known(&self, sent: &Sent) -> Result<Arc<OnceCell<Arc<Means>>>, OwnServersError> {
        let mut known = self.lock();
        let found = match known.iter().position(|other| other.sent == *sent) {
            Some(at) => known.remove(at),
            None => {
                while known.iter().filter(|other| !other.is_used()).count() >= KEPT {
                    let Some(at) = known.iter().position(|other| !other.is_used()) else { break };
                    known.remove(at);
                }
                if known.iter().filter(|other| other.is_used()).count() >= USED {
                    return Err(OwnServersError::Busy);
                }
                Known { sent: sent.clone(), means: Arc::default() }
            }
        };
        let means = Arc::clone(&found.means);
        known.push(found);
        Ok(means)
    }

    async fn open(&self, loaded: &Loaded, sent: Sent) -> Result<Arc<Means>, OwnServersError> {
        // The semaphore is never closed. The permit is held as long as the thread works, even if
        // the caller has stopped waiting for it.
        let place = Arc::clone(&self.opening).acquire_owned().await.ok();
        let mut origins = self.before.to_vec();
        origins.push((Origin::Parameters, sent.0));
        let (host, own, with_storage) =
            (Arc::clone(&loaded.host), self.config.clone(), loaded.action.imports().has("storage"));
        let opening = tokio::task::spawn_blocking(move || {
            let _place = place;
            let backends = host.backends().with_servers_of(&own, &Config::from_origins(origins)?);
            if with_storage {
                // Opened here; the activation reports an error of it.
                let _ = backends.storage();
            }
            Ok::<_, ConfigError>(backends)
        });
        let backends: Backends = opening.await??;
        Ok(Arc::new(loaded.action.means_with(&backends)))
    }
}

impl Sent {
    /// Reads the configuration in an argument: the names that [`Config`] accepts from a caller,
    /// none of which concern the host itself. Keeps nothing else of the argument.
    ///
    /// # Errors
    /// There are more or larger values than any server needs.
    pub(super) fn read(value: &str) -> Result<Self, String> {
        if !value.starts_with('{') {
            return Ok(Self::default());
        }
        serde_json::Deserializer::from_str(value)
            .deserialize_map(Reserved)
            .map_err(|error| error.to_string())
    }
}

struct Reserved;

impl<'de> Visitor<'de> for Reserved {
    type Value = Sent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Sent, A::Error> {
        let mut sent = BTreeMap::new();
        while let Some(Name(name)) = fields.next_key()? {
            if !is_reserved(&name) || name.starts_with("KEYNET_") {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = fields.next_value()?;
            if !value.get().starts_with('"') {
                continue;
            }
            let text = string(value, "the value").map_err(A::Error::custom)?.unwrap_or_default();
            if text.len() > MAX_VALUE || sent.len() == MAX_VALUES {
                return Err(A::Error::custom(format_args!(
                    "the parameters configure servers with more than {MAX_VALUES} names, or with \
                        more than {MAX_VALUE} bytes for one name"
                )));
            }
            sent.insert(name.into_owned(), text.into_owned());
        }
        Ok(Sent(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &str) -> Sent {
        Sent::read(value).unwrap()
    }

    #[test]
    fn a_caller_sends_servers_and_nothing_that_runs_the_host() {
        let found = sent(
            r#"{"TRITON_URL": "http://t:8001", "KEYNET_MEMORY": "1TiB", "name": "Ada", "MODEL_NAME": 3}"#,
        );
        assert_eq!(
            found.0,
            BTreeMap::from([("TRITON_URL".to_owned(), "http://t:8001".to_owned())])
        );
        assert!(sent("[1]").0.is_empty() && sent("{}").0.is_empty());
    }

    #[test]
    fn what_no_server_needs_is_refused() {
        let long = format!(r#"{{"TRITON_URL":"{}"}}"#, "x".repeat(MAX_VALUE + 1));
        let error = Sent::read(&long).unwrap_err();
        assert!(error.contains("8192 bytes") && error.len() < 300, "{error}");
    }

    #[test]
    fn servers_that_are_not_used_go_and_those_in_use_are_limited() {
        let config = Config::from_origins(vec![(Origin::Container, BTreeMap::new())]).unwrap();
        let own = OwnServers::allowed(BTreeMap::new(), BTreeMap::new(), config);
        let allowed = own.0.as_ref().unwrap();
        let caller = |number: usize| sent(&format!(r#"{{"TRITON_URL": "http://t{number}:8001"}}"#));
        for number in 0..1000 {
            allowed.known(&caller(number)).unwrap();
            assert!(allowed.lock().len() <= KEPT);
        }
        let mut used: Vec<_> =
            (0..USED).map(|number| allowed.known(&caller(number)).unwrap()).collect();
        assert!(matches!(allowed.known(&caller(USED)), Err(OwnServersError::Busy)));
        // A caller whose servers are open is not rejected.
        assert!(Arc::ptr_eq(&allowed.known(&caller(7)).unwrap(), &used[7]));
        used.pop();
        assert!(allowed.known(&caller(USED)).is_ok());
    }
}
