//! Filter of requests to a server on a developer's machine: requests that a page of another site
//! made a browser send are rejected.
//!
//! A page can send requests to any address that the user's browser reaches. Its `Origin` header
//! identifies it, unless its name was made to resolve to this machine (DNS rebinding): then the
//! requests are of the page's own origin, and its name is in `Host`. A server therefore accepts
//! requests only for addresses and names of this machine, and only from pages of its own.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use url::Url;

use crate::quote::quoted;

/// Hosts that a server accepts requests for, and whose pages may send it requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHosts {
    /// True if only this machine can reach the server.
    local: bool,
    /// Names of this machine besides `localhost`.
    names: Vec<String>,
    /// Names that the developer allows, including requests of their pages.
    trusted: Vec<String>,
}

impl AllowedHosts {
    /// Returns a filter that accepts `localhost` and the loopback addresses; if the server listens
    /// on more than these, every address, since a page cannot choose the address that the user
    /// typed.
    pub fn listening_at(address: SocketAddr) -> Self {
        Self { local: address.ip().is_loopback(), names: Vec::new(), trusted: Vec::new() }
    }

    /// Adds the host `name`, which is this machine.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        self.names.push(normalized(name));
        self
    }

    /// Adds the hosts `names`, and requests of their pages.
    #[must_use]
    pub fn trusting<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.trusted.extend(names.into_iter().map(normalized));
        self
    }

    /// Checks the host of a request, and the page that sent it.
    ///
    /// # Errors
    /// The request is for another host or of another host's page; the text names it and the option
    /// that allows it.
    pub fn check(&self, request: &Parts) -> Result<(), String> {
        let named = match request.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => request.headers.get(HOST).map(|host| host.to_str().unwrap_or_default()),
        };
        let host = named.and_then(|host| host.parse::<Authority>().ok());
        let Some(host) = host.filter(|host| self.answers_for(host.host())) else {
            return Err(format!(
                "the request is for the host {}, which is not known to be this machine: \
                    --allow-host has it answered for another name",
                quoted(named.unwrap_or_default())
            ));
        };
        match request.headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default()) {
            Some(origin) if !self.answers_pages_of(origin, &host) => Err(format!(
                "the request was sent by a page of another site, {}: --allow-host has the pages of \
                    a host answered",
                quoted(origin)
            )),
            _ => Ok(()),
        }
    }

    fn answers_for(&self, host: &str) -> bool {
        let host = normalized(host);
        match host.parse::<IpAddr>() {
            Ok(address) if !self.local || address.is_loopback() => true,
            _ => host == "localhost" || self.names.contains(&host) || self.trusted.contains(&host),
        }
    }

    /// Reports whether pages of `origin` are this server's own, as it is reached at `host`, or
    /// trusted.
    fn answers_pages_of(&self, origin: &str, host: &Authority) -> bool {
        let Ok(origin) = Url::parse(origin) else { return false };
        let Some(page) = origin.host_str().map(normalized) else { return false };
        let port = host.port_u16().or_else(|| origin.port_or_known_default());
        let own = page == normalized(host.host()) && origin.port_or_known_default() == port;
        matches!(origin.scheme(), "http" | "https") && (own || self.trusted.contains(&page))
    }
}

/// Returns a name in lower case without the trailing dot, or an address without brackets.
fn normalized(host: &str) -> String {
    host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &AllowedHosts, host: &str, origin: Option<&str>) -> Result<(), String> {
        let mut request = http::Request::builder().uri("/").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        hosts.check(&request.body(()).unwrap().into_parts().0)
    }

    fn local() -> AllowedHosts {
        AllowedHosts::listening_at(([127, 0, 0, 1], 8080).into())
    }

    #[test]
    fn a_local_server_answers_for_this_machine_alone() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LocalHost.", "[::1]:9", "127.0.0.2"] {
            assert_eq!(check(&local(), host, None), Ok(()), "{host}");
        }
        for host in [
            "attacker.example",
            "localhost.attacker.example:8080",
            "192.168.0.1:8080",
            "127.0.0.1.nip.io",
            "",
            "a b",
            "u@localhost@x",
        ] {
            let refused = check(&local(), host, None).unwrap_err();
            assert!(refused.contains("--allow-host"), "{host}: {refused}");
        }
        let without = http::Request::builder().uri("/").body(()).unwrap().into_parts().0;
        assert!(local().check(&without).is_err());
        let absolute = http::Request::builder()
            .uri("http://attacker.example/")
            .header(HOST, "localhost")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        assert!(local().check(&absolute).is_err());
    }

    #[test]
    fn a_server_that_others_reach_answers_for_every_address_and_no_name() {
        let public = AllowedHosts::listening_at(([0, 0, 0, 0], 8080).into()).called("Devbox");
        for host in ["192.168.0.1:8080", "[2001:db8::1]:8080", "localhost:8080", "devbox:8080"] {
            assert_eq!(check(&public, host, None), Ok(()), "{host}");
        }
        assert!(check(&public, "attacker.example:8080", None).is_err());
        assert_eq!(
            check(&public.trusting(["attacker.example"]), "attacker.example:8080", None),
            Ok(())
        );
    }

    #[test]
    fn pages_of_other_sites_are_not_answered() {
        for (host, origin) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("localhost", "http://localhost"),
            ("[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(check(&local(), host, Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "http://attacker.example",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "null",
            "",
            "file:///",
            "https://localhost",
        ] {
            let refused = check(&local(), "localhost:8080", Some(origin)).unwrap_err();
            assert!(refused.contains("another site"), "{origin}: {refused}");
        }
        let trusting = local().trusting(["localhost", "app.example"]);
        for origin in ["http://localhost:3000", "https://app.example"] {
            assert_eq!(check(&trusting, "localhost:8080", Some(origin)), Ok(()), "{origin}");
        }
    }
}
