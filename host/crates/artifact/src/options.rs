//! How registries are talked to: whom to trust, who one is, and how patient to be.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keynet_base::outbound::AddressPolicy;
use keynet_base::retry::RetryPolicy;

use super::credential::{CredentialSource, FirstOf};
use super::docker::DockerConfig;
use super::progress::{Progress, Quiet};

/// How registries are talked to. [`RegistryOptions::default`] is the command line's: TLS with the
/// system's certificates, plain HTTP to loopback only, Docker's credentials, some patience, nothing
/// shown.
#[derive(Clone)]
pub struct RegistryOptions {
    /// Whether plain HTTP is allowed to hosts other than loopback: it is tried where TLS is not
    /// spoken.
    pub insecure: bool,
    /// PEM files of certificate authorities that are trusted besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// Who one is.
    pub credentials: Arc<dyn CredentialSource>,
    /// Hosts of token servers (`host` or `host:port`) that may see a registry's credentials though
    /// they are of another domain.
    pub token_realms: Vec<String>,
    /// The hosts that may be contacted, redirects and token servers included.
    pub addresses: AddressPolicy,
    /// Attempts after 408, 429, 500, 502, 503, 504 or a broken connection, in a row without progress.
    /// A registry that asks for a longer pause than the longest (`Retry-After`) is not waited for.
    pub retry: RetryPolicy,
    /// Bytes that are sent in one request at first; what is larger is sent in several, and a broken
    /// upload goes on with the first that is missing. A registry that refuses a request as too
    /// large gets smaller ones.
    pub chunk: u64,
    /// The folder where unfinished uploads are remembered, so that they go on after a kill; none to
    /// start again each time.
    pub uploads: Option<PathBuf>,
    /// The most bytes a component may have when it is pulled.
    pub max_component: u64,
    /// Who is told what happens.
    pub progress: Arc<dyn Progress>,
}

/// Five attempts within half a minute; a server may ask for a minute each time.
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
