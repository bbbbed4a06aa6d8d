//! The HTTP clients: one for plain connections, one for TLS, each made when it is first needed.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};
use url::Url;

use super::reach::{Public, host_of, is_loopback};
use crate::error::{ArtifactError, Result};
use crate::options::{Reach, RegistryOptions};

const CONNECT: Duration = Duration::from_secs(15);

pub(super) struct Clients {
    authorities: Vec<Certificate>,
    reach: Reach,
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
            reach: options.reach.clone(),
            local: OnceLock::new(),
            plain: OnceLock::new(),
            secure: OnceLock::new(),
        })
    }

    /// The client for `url`.
    pub(super) fn get(&self, url: &Url) -> Result<&Client> {
        // The system's certificates take some milliseconds to read, and a container may have none:
        // only where TLS needs them.
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
        match &self.reach {
            Reach::Anywhere => builder,
            Reach::Public { listed } => {
                builder.no_proxy().dns_resolver(Arc::new(Public(listed.clone())))
            }
            Reach::Listed(_) => builder.no_proxy(),
        }
    }
}

/// A file that is no certificate is an error here and now, not a connection without it.
fn read(files: &[PathBuf]) -> Result<Vec<Certificate>> {
    let mut all = Vec::new();
    for file in files {
        let pem =
            std::fs::read(file).map_err(ArtifactError::io("read the certificates of", file))?;
        let wrong = |why: String| ArtifactError::Key { path: file.clone(), why };
        let found = Certificate::from_pem_bundle(&pem)
            .map_err(|error| wrong(format!("it is no certificate in PEM: {error}")))?;
        if found.is_empty() {
            return Err(wrong("it holds no certificate in PEM".to_owned()));
        }
        all.extend(found);
    }
    Ok(all)
}
