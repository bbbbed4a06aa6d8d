//! Address policy: the addresses that a client may connect to, for every protocol.
//!
//! A URL is checked by its host when it is known; a name is checked again when it is resolved, on
//! the addresses that are used for the connection. A name therefore cannot refer to one address
//! when it is checked and to another when it is used.

use std::io;
use std::net::SocketAddr;

use url::{Host, Url};

use super::address::is_global;
use crate::config::Origin;
use crate::error::Error;

/// Addresses that a client may connect to. A host is written `host` or `host:port`; without a port
/// it means the default port of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AddressPolicy {
    /// Any address: for servers that the operator configured.
    Any,
    /// Global unicast addresses (see [`is_global`]), and the hosts of `except` at any address: for
    /// servers that a caller or a guest named.
    Public {
        /// Hosts that may be at any address.
        except: Vec<String>,
    },
    /// Only the listed hosts, at any address.
    Only(Vec<String>),
}

/// Rejection of a host by the policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// The host's address is not public.
    #[error(
        "{0} is not a public address, and only those may be connected to: the operator's policy \
            can allow others (private-addresses)"
    )]
    NotPublic(String),
    /// The host is not in the list.
    #[error("{0} is not among the hosts that are allowed")]
    NotListed(String),
    /// The host is in the list with another port.
    #[error("{0} is listed with another port")]
    OtherPort(String),
    /// The URL has no host.
    #[error("the URL names no host")]
    NoHost,
}

impl From<AddressRefused> for Error {
    fn from(refused: AddressRefused) -> Self {
        match refused {
            AddressRefused::NoHost => Self::invalid(refused.to_string()),
            _ => Self::denied(refused.to_string()),
        }
    }
}

impl AddressPolicy {
    /// Returns the policy that allows public addresses only.
    pub fn public() -> Self {
        Self::Public { except: Vec::new() }
    }

    /// Returns the policy for a server that `origin` configures: a caller may name public ones
    /// only.
    pub fn of(origin: Origin) -> Self {
        if origin == Origin::Parameters { Self::public() } else { Self::Any }
    }

    /// Checks a URL by the name or the literal address of its host. A name is checked again when it
    /// is resolved.
    ///
    /// # Errors
    /// The policy does not allow it.
    pub fn check(&self, url: &Url) -> Result<(), AddressRefused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) => None,
            None => return Err(AddressRefused::NoHost),
        };
        let host = url.host_str().unwrap_or_default();
        match self {
            Self::Any => Ok(()),
            Self::Only(hosts) if is_listed(url, hosts) => Ok(()),
            Self::Only(_) => Err(AddressRefused::NotListed(host.to_owned())),
            Self::Public { except } if is_listed(url, except) => Ok(()),
            Self::Public { except } => match address {
                Some(address) if !is_global(address) => {
                    Err(AddressRefused::NotPublic(address.to_string()))
                }
                // The resolver does not know the port.
                None if is_named(host, except) => Err(AddressRefused::OtherPort(host.to_owned())),
                _ => Ok(()),
            },
        }
    }

    /// Resolves a name to the addresses that may be connected to: at least one.
    ///
    /// # Errors
    /// Those of the operating system; an [`AddressRefused`] inside a `PermissionDenied`.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((host, port)).await?.collect();
        self.allowed(host, found)
    }

    /// Returns those of the addresses of `host` that may be connected to.
    pub(super) fn allowed(
        &self,
        host: &str,
        found: Vec<SocketAddr>,
    ) -> io::Result<Vec<SocketAddr>> {
        let any = match self {
            Self::Any | Self::Only(_) => true,
            Self::Public { except } => is_named(host, except),
        };
        let allowed: Vec<_> =
            found.into_iter().filter(|address| any || is_global(address.ip())).collect();
        if allowed.is_empty() && !any {
            let refused = AddressRefused::NotPublic(host.to_owned());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
        }
        Ok(allowed)
    }
}

/// Reports whether one of `hosts` is the host of `url` with its port.
pub fn is_listed(url: &Url, hosts: &[String]) -> bool {
    let host = url.host_str().unwrap_or_default();
    let shown = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let full = url.port_or_known_default().map(|port| format!("{host}:{port}")).unwrap_or_default();
    hosts
        .iter()
        .any(|entry| entry.eq_ignore_ascii_case(&shown) || entry.eq_ignore_ascii_case(&full))
}

/// Reports whether one of `hosts` has this name, with any port.
fn is_named(host: &str, hosts: &[String]) -> bool {
    hosts.iter().any(|entry| name_of(entry).eq_ignore_ascii_case(host))
}

/// Returns the host of `host` or `host:port`; brackets around an IPv6 address stay.
fn name_of(entry: &str) -> &str {
    entry.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(entry, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn an_address_in_a_url_is_checked_however_it_is_written() {
        let check = |text: &str| AddressPolicy::public().check(&url(text)).map_err(Error::from);
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1:80/",
            "http://127.1/",
            "http://0/",
            "http://[::1]:9000/x",
            "http://[::ffff:7f00:1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://１２７.0.0.1/",
        ] {
            let error = check(text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Denied, "{text}");
            assert!(error.message.contains("private-addresses"), "{error}");
            assert!(AddressPolicy::Any.check(&url(text)).is_ok());
        }
        assert!(check("http://1.1.1.1/").is_ok() && check("http://[2606:4700::1111]/").is_ok());
        assert!(check("http://localhost/").is_ok(), "names are for the resolver");
    }

    #[test]
    fn a_container_reaches_public_and_listed_hosts() {
        let policy = AddressPolicy::Public {
            except: vec!["10.0.0.5:5000".to_owned(), "harbor.internal".to_owned()],
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
            assert_eq!(policy.check(&url(target)).is_ok(), allowed, "{target}");
        }
        let only = AddressPolicy::Only(vec!["harbor.internal".to_owned()]);
        assert!(only.check(&url("https://harbor.internal")).is_ok());
        assert!(only.check(&url("https://registry.example.com")).is_err());
        assert!(AddressPolicy::Any.check(&url("https://127.0.0.1")).is_ok());
    }

    fn connected_to(answer: &[&str]) -> Result<Vec<String>, String> {
        let found = answer.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        match AddressPolicy::public().allowed("name.example", found) {
            Ok(addresses) => Ok(addresses.iter().map(|address| address.ip().to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn of_an_answer_that_mixes_public_and_private_only_the_public_is_connected_to() {
        let mixed = connected_to(&[
            "127.0.0.1",
            "8.8.8.8",
            "::1",
            "10.0.0.1",
            "2606:4700::1111",
            "::ffff:10.0.0.1",
        ]);
        assert_eq!(mixed.unwrap(), ["8.8.8.8", "2606:4700::1111"]);
        for private in
            [&["127.0.0.1"] as &[&str], &["10.0.0.1", "fd00::1"], &["64:ff9b::7f00:1"], &[]]
        {
            let refused = connected_to(private).unwrap_err();
            assert!(refused.starts_with("name.example is not a public address"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing_public() {
        let refused = AddressPolicy::public().resolve("localhost", 1).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let listed = AddressPolicy::Public { except: vec!["localhost:5000".to_owned()] };
        assert!(listed.resolve("localhost", 5000).await.is_ok());
    }
}
