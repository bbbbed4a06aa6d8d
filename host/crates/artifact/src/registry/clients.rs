//! HTTP clients: one for plain connections, one for TLS, each created when it is first needed.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};
use url::Url;

use super::hosts::{host_of, is_loopback};
use keynet_base::outbound::{self, AddressPolicy};
use keynet_base::pem::{self, PemError};

use crate::error::{ArtifactError, Result};
use crate::options::RegistryOptions;

const CONNECT: Duration = Duration::from_secs(15);

pub(super) struct Clients {
    authorities: Vec<Certificate>,
    addresses: AddressPolicy,
    local: OnceLock<Client>,
    plain: OnceLock<Client>,
    secure: OnceLock<Client>,
}

impl Clients {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self> {
        keynet_base::tls::install();
        let authorities = read(&options.ca_files)?;
        Ok(Self {
            authorities,
            addresses: options.addresses.clone(),
            local: OnceLock::new(),
            plain: OnceLock::new(),
            secure: OnceLock::new(),
        })
    }

    /// Returns the client for `url`.
    pub(super) fn get(&self, url: &Url) -> Result<&Client> {
        // The system's certificates take some milliseconds to read, and a container may have none:
        // they are read only if TLS needs them.
        let secure = url.scheme() == "https";
        let cell = match (secure, is_loopback(url)) {
            (true, _) => &self.secure,
            (false, true) => &self.local,
            (false, false) => &self.plain,
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let trust = self.authorities.iter().cloned();
        let mut builder = if secure {
            self.builder().tls_certs_merge(trust)
        } else {
            self.builder().tls_certs_only(trust)
        };
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        let made = builder.build().map_err(|error| ArtifactError::Tls {
            host: host_of(url),
            why: std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string),
        })?;
        Ok(cell.get_or_init(|| made))
    }

    fn builder(&self) -> ClientBuilder {
        let builder = Client::builder()
            .user_agent(concat!("keynet-inference/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .http1_only();
        match &self.addresses {
            AddressPolicy::Any => builder,
            // With a proxy, the proxy would choose the addresses.
            addresses => outbound::within(builder.no_proxy(), addresses),
        }
    }
}

/// Reads the certificate authorities of all files.
///
/// # Errors
/// A file cannot be used: this fails rather than connecting without its authorities.
fn read(files: &[PathBuf]) -> Result<Vec<Certificate>> {
    let read = files.iter().map(|file| {
        pem::certificates(file).map_err(|error| match error {
            PemError::Read { path, source } => {
                ArtifactError::io("read the certificates of", &path)(source)
            }
            PemError::Content { path, why } => ArtifactError::Key { path, why },
        })
    });
    Ok(read.collect::<Result<Vec<_>>>()?.concat())
}
