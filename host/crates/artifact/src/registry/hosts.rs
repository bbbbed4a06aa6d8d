//! Hosts of registries: their names, and the address policy.

use keynet_base::outbound::{AddressPolicy, AddressRefused};
use url::{Host, Url};

use crate::error::ArtifactError;

/// Returns `host` or `host:port` of a URL, without the default port of its scheme.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Reports whether the host is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Checks a host by its name or its literal address.
///
/// # Errors
/// The policy does not allow the host.
pub(super) fn check(url: &Url, addresses: &AddressPolicy) -> Result<(), ArtifactError> {
    addresses.check(url).map_err(|refused| refusal(host_of(url), &refused))
}

/// Returns the error for a host that the policy does not allow.
pub(super) fn refusal(host: String, refused: &AddressRefused) -> ArtifactError {
    let why = match refused {
        AddressRefused::NotPublic(_) => {
            "its address is not on the public Internet and it is not one of the registries that \
                are listed"
        }
        AddressRefused::NotListed(_) => "it is not one of the registries that are allowed",
        AddressRefused::OtherPort(_) => "it is listed with another port",
        AddressRefused::NoHost => "there is no host in it",
    };
    ArtifactError::Host { host, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
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
