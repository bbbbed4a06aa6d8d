//! Options for the access to registries: trusted certificates, credentials, retries and limits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keynet_base::outbound::AddressPolicy;
use keynet_base::retry::RetryPolicy;

use super::credential::{CredentialSource, FirstOf};
use super::docker::DockerConfig;
use super::progress::{Progress, Quiet};

/// Options for the access to registries. [`RegistryOptions::default`] is that of the command line:
/// TLS with the system's certificates, plain HTTP to loopback only, Docker's credentials, some
/// retries, no progress output.
#[derive(Clone)]
pub struct RegistryOptions {
    /// Allows plain HTTP to hosts other than loopback: it is tried if the host does not speak TLS.
    pub insecure: bool,
    /// PEM files of certificate authorities that are trusted in addition to the system's.
    pub ca_files: Vec<PathBuf>,
    /// Source of credentials.
    pub credentials: Arc<dyn CredentialSource>,
    /// Hosts of token servers (`host` or `host:port`) that may receive a registry's credentials
    /// although they belong to another domain.
    pub token_realms: Vec<String>,
    /// The hosts that may be contacted, redirects and token servers included.
    pub addresses: AddressPolicy,
    /// Retries after 408, 429, 500, 502, 503, 504 or a broken connection, counted in a row without
    /// progress. If a registry asks (`Retry-After`) for a longer pause than the longest of the
    /// policy, the request fails at once.
    pub retry: RetryPolicy,
    /// Bytes sent in one request at first; larger blobs are sent in several requests, and an
    /// interrupted upload continues at the first missing byte. If a registry rejects a request as
    /// too large, smaller ones are sent.
    pub chunk: u64,
    /// Folder that records unfinished uploads, so that they continue after the process was killed;
    /// `None` to start again each time.
    pub uploads: Option<PathBuf>,
    /// Largest component that is pulled, in bytes.
    pub max_component: u64,
    /// Receiver of progress events.
    pub progress: Arc<dyn Progress>,
}

/// Five attempts within half a minute; a server may ask for up to a minute each time.
const PATIENCE: RetryPolicy =
    RetryPolicy { times: 5, first: Duration::from_millis(500), longest: Duration::from_secs(60) };

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            insecure: false,
            ca_files: Vec::new(),
            credentials: Arc::new(FirstOf(vec![Arc::new(DockerConfig::default())])),
            token_realms: Vec::new(),
            addresses: AddressPolicy::Any,
            retry: PATIENCE,
            chunk: 16 << 20,
            uploads: None,
            max_component: 1 << 30,
            progress: Arc::new(Quiet),
        }
    }
}
