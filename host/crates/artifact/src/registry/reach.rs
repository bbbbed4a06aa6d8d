//! Which hosts may be contacted, checked on the name and on every address that is really connected.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::error::ArtifactError;
use crate::options::Reach;
use keynet_base::outbound::address::is_global;

/// `host` or `host:port` of a URL, without a port that goes without saying.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether one of `listed` is the host of `url` with its port; one without a port stands for the
/// port that goes without saying.
pub(super) fn is_listed(url: &Url, listed: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    let full = url.port_or_known_default().map(|port| format!("{host}:{port}")).unwrap_or_default();
    listed
        .iter()
        .any(|entry| entry.eq_ignore_ascii_case(&host_of(url)) || entry.eq_ignore_ascii_case(&full))
}

/// Whether one of `listed` is this host, whatever the port.
fn is_named(host: &str, listed: &[String]) -> bool {
    listed.iter().any(|entry| name_of(entry).eq_ignore_ascii_case(host))
}

/// `host` of `host` or `host:port`; an IPv6 address stands in brackets, which stay.
fn name_of(entry: &str) -> &str {
    entry.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(entry, |(name, _)| name)
}

/// Whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Refuses a host by its name or its literal address.
pub(super) fn check(url: &Url, reach: &Reach) -> Result<(), ArtifactError> {
    let refused = |why: &str| Err(ArtifactError::Host { host: host_of(url), why: why.to_owned() });
    match reach {
        Reach::Anywhere => Ok(()),
        Reach::Listed(listed) if is_listed(url, listed) => Ok(()),
        Reach::Listed(_) => refused("it is not one of the registries that are allowed"),
        Reach::Public { listed } if is_listed(url, listed) => Ok(()),
        Reach::Public { listed } => match url.host() {
            Some(Host::Ipv4(address)) if !is_global(address.into()) => refused(PRIVATE),
            Some(Host::Ipv6(address)) if !is_global(address.into()) => refused(PRIVATE),
            // The resolver does not know the port.
            Some(Host::Domain(name)) if is_named(name, listed) => {
                refused("it is listed with another port")
            }
            _ => Ok(()),
        },
    }
}

const PRIVATE: &str = "its address is not on the public Internet and it is not one of the \
    registries that are listed";

/// Resolves names as the system does, and leaves out addresses that are not on the public Internet,
/// but for hosts that are listed.
pub(super) struct Public(pub(super) Vec<String>);

/// Every address of a host is left out.
#[derive(Debug, thiserror::Error)]
#[error("{PRIVATE}")]
pub(super) struct NotPublic;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let listed = is_named(name.as_str(), &self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<_> =
                found.iter().copied().filter(|address| listed || is_global(address.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_container_reaches_public_and_listed_hosts() {
        let reach = Reach::Public {
            listed: vec!["10.0.0.5:5000".to_owned(), "harbor.internal".to_owned()],
        };
        for (target, allowed) in [
            ("https://registry.example.com", true),
            ("https://10.0.0.5:5000", true),
            ("https://10.0.0.5", false),
            ("https://10.0.0.5:5001", false),
            ("https://harbor.internal", true),
            ("https://harbor.internal:9000", false),
            ("https://[::1]:5000", false),
            ("https://[::ffff:169.254.169.254]", false),
            ("https://0x7f.1", false),
            ("https://1.1.1.1", true),
        ] {
            assert_eq!(check(&url(target), &reach).is_ok(), allowed, "{target}");
        }
        let only = Reach::Listed(vec!["harbor.internal".to_owned()]);
        assert!(
            check(&url("https://harbor.internal"), &only).is_ok()
                && check(&url("https://registry.example.com"), &only).is_err()
        );
        assert!(check(&url("https://127.0.0.1"), &Reach::Anywhere).is_ok());
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing_public() {
        let error = Public(vec![]).resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.downcast_ref::<NotPublic>().is_some(), "{error}");
        assert!(
            Public(vec!["localhost:5000".to_owned()])
                .resolve("localhost".parse().unwrap())
                .await
                .is_ok()
        );
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (target, is) in [
            ("http://127.0.0.1:1", true),
            ("http://127.1.2.3", true),
            ("http://localhost", true),
            ("http://[::1]", true),
            ("http://registry.localhost", true),
            ("http://localhost.example.com", false),
            ("http://0.0.0.0", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&url(target)), is, "{target}");
        }
    }
}
