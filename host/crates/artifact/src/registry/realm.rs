//! Rules for the token servers that may receive a registry's credentials.

use url::{Host, Url};

use keynet_base::outbound::address_policy::is_listed;

use super::hosts::is_loopback;

/// Settings that decide whether a token server may be used, besides its URL and the registry's.
pub(super) struct Rules<'a> {
    /// Hosts of token servers that are trusted although they belong to another domain.
    pub(super) listed: &'a [String],
    /// True if the registry may be used over plain HTTP.
    pub(super) insecure: bool,
    /// True if a credential is sent to the token server.
    pub(super) shows: bool,
}

/// Checks that tokens of the registry at `registry` may be requested from the token server at
/// `realm`.
///
/// Its connection must be as safe as that to the registry. If a credential is sent there, the token
/// server must also be listed, or belong to the registry: be the same host, a subdomain of it, or a
/// subdomain of the registry's parent domain.
///
/// # Errors
/// The reason why it may not be used.
pub(super) fn check(realm: &Url, registry: &Url, rules: &Rules<'_>) -> Result<(), &'static str> {
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err("which has a name or a password in its URL");
    }
    let same = realm.host() == registry.host();
    let local = is_loopback(realm) && is_loopback(registry);
    let safe =
        realm.scheme() == "https" || realm.scheme() == "http" && (local || rules.insecure && same);
    if !safe {
        return Err("which is not https");
    }
    let listed = is_listed(realm, rules.listed);
    if is_loopback(realm) && !is_loopback(registry) && !listed {
        return Err("which is this machine");
    }
    let own = same || local || listed || related(realm, registry);
    if own || !rules.shows { Ok(()) } else { Err("which is of another domain") }
}

fn related(realm: &Url, registry: &Url) -> bool {
    let (Some(Host::Domain(realm)), Some(Host::Domain(registry))) = (realm.host(), registry.host())
    else {
        return false;
    };
    let below = |domain: &str| {
        realm == domain || realm.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
    };
    let parent =
        registry.split_once('.').map(|(_, parent)| parent).filter(|parent| is_one_owners(parent));
    (registry.contains('.') && below(registry)) || parent.is_some_and(below)
}

/// Reports whether a domain belongs to one owner: it is neither a public suffix
/// (<https://publicsuffix.org>) nor the domain of a service whose customers each have a subdomain.
fn is_one_owners(domain: &str) -> bool {
    psl::domain_str(domain).is_some() && !SHARED.contains(&domain)
}

/// Registry services whose customers each have a subdomain, and that are missing from the list of
/// public suffixes.
const SHARED: &[&str] = &[
    "azurecr.io",
    "azurecr.cn",
    "azurecr.us",
    "jfrog.io",
    "cr.aliyuncs.com",
    "scr.private-registry.io",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(listed: &[String], insecure: bool) -> Rules<'_> {
        Rules { listed, insecure, shows: true }
    }

    #[test]
    fn a_token_server_is_of_the_registrys_own_domain() {
        let listed = ["tokens.elsewhere.com".to_owned(), "other.net:8443".to_owned()];
        for (registry, realm, right) in [
            ("https://registry.example.com", "https://registry.example.com/token", true),
            ("https://registry.example.com", "https://registry.example.com:8443/token", true),
            ("https://registry.example.com", "https://auth.example.com/token", true),
            ("https://registry.example.com", "https://example.com/token", true),
            ("https://registry.example.com", "https://a.b.example.com/token", true),
            ("https://example.com", "https://auth.example.com/token", true),
            ("https://example.com", "https://other.com/token", false),
            ("https://registry.example.com", "https://example.org/token", false),
            ("https://registry.example.com", "https://evil-example.com/token", false),
            ("https://registry.example.com", "https://registry.example.com.evil.org/token", false),
            ("https://registry.example.com", "http://registry.example.com/token", false),
            ("https://registry.example.com", "http://127.0.0.1/token", false),
            ("https://registry.example.com", "https://127.0.0.1/token", false),
            ("https://registry.example.com", "https://u:p@registry.example.com/token", false),
            ("https://registry.co.uk", "https://evil.co.uk/token", false),
            ("https://registry.firm.co.uk", "https://auth.firm.co.uk/token", true),
            ("https://a.azurecr.io", "https://b.azurecr.io/oauth2/token", false),
            ("https://a.azurecr.io", "https://a.azurecr.io/oauth2/token", true),
            ("https://mine.github.io", "https://yours.github.io/token", false),
            ("https://registry.firm.com.br", "https://evil.com.br/token", false),
            ("https://registry.firm.com.br", "https://auth.firm.com.br/token", true),
            ("https://a.jfrog.io", "https://b.jfrog.io/token", false),
            ("https://ghcr.io", "https://evil.io/token", false),
            ("https://registry.local", "https://evil.local/token", false),
            ("https://registry", "https://evil/token", false),
            ("https://192.0.2.1", "https://192.0.2.2/token", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true),
            ("http://127.0.0.1:5000", "http://localhost:5001/token", true),
            ("http://127.0.0.1:5000", "http://192.168.0.1/token", false),
            ("https://registry.example.com", "https://tokens.elsewhere.com/token", true),
            ("https://registry.example.com", "http://tokens.elsewhere.com/token", false),
            ("https://registry.example.com", "https://other.net/token", false),
            ("https://registry.example.com", "https://other.net:8443/token", true),
            ("https://registry.example.com", "ftp://registry.example.com/token", false),
        ] {
            let (realm, registry) = (Url::parse(realm).unwrap(), Url::parse(registry).unwrap());
            assert_eq!(
                check(&realm, &registry, &rules(&listed, false)).is_ok(),
                right,
                "{registry} {realm}"
            );
        }
    }

    #[test]
    fn a_plain_registry_that_is_allowed_may_have_its_tokens_plain_too() {
        let registry = Url::parse("http://harbor.internal.example.com").unwrap();
        let own = Url::parse("http://harbor.internal.example.com/service/token").unwrap();
        let sibling = Url::parse("http://auth.internal.example.com/service/token").unwrap();
        assert!(
            check(&own, &registry, &rules(&[], true)).is_ok()
                && check(&own, &registry, &rules(&[], false)).is_err()
        );
        assert!(check(&sibling, &registry, &rules(&[], true)).is_err());
    }

    #[test]
    fn an_anonymous_caller_may_ask_a_token_server_of_another_domain() {
        let anonymous = Rules { listed: &[], insecure: false, shows: false };
        for (registry, realm, right) in [
            ("https://registry.example.com", "https://tokens.example.org/token", true),
            ("https://registry.example.com", "http://tokens.example.org/token", false),
            ("https://registry.example.com", "https://127.0.0.1/token", false),
            ("https://registry.example.com", "https://u:p@tokens.example.org/token", false),
        ] {
            let (realm, registry) = (Url::parse(realm).unwrap(), Url::parse(registry).unwrap());
            assert_eq!(check(&realm, &registry, &anonymous).is_ok(), right, "{registry} {realm}");
            assert!(check(&realm, &registry, &rules(&[], false)).is_err());
        }
    }
}
