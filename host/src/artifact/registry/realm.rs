//! Which token servers may see a registry's credentials.

use url::{Host, Url};

use super::reach::{is_listed, is_loopback};

/// Endings under which anybody can have a name, so that being under one together means nothing.
const SHARED: &[&str] = &["ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"];

/// Whether the token server at `realm` belongs to the registry at `registry`, or is one of `listed`.
///
/// It does when its connection is as safe as that to the registry, and it is the same host, below it, or below the domain that the
/// registry itself is directly below of.
pub(super) fn check(realm: &Url, registry: &Url, listed: &[String], insecure: bool) -> Result<(), &'static str> {
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err("which has a name or a password in its URL");
    }
    let same = realm.host() == registry.host();
    let local = is_loopback(realm) && is_loopback(registry);
    let safe = realm.scheme() == "https" || realm.scheme() == "http" && (local || insecure && same);
    if !safe {
        return Err("which is not https");
    }
    if same || local || is_listed(realm, listed) || related(realm, registry) { Ok(()) } else { Err("which is of another domain") }
}

fn related(realm: &Url, registry: &Url) -> bool {
    let (Some(Host::Domain(realm)), Some(Host::Domain(registry))) = (realm.host(), registry.host()) else { return false };
    let below = |domain: &str| realm == domain || realm.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let parent = registry.split_once('.').map(|(_, parent)| parent).filter(|parent| is_one_owners(parent));
    (registry.contains('.') && below(registry)) || parent.is_some_and(below)
}

/// Whether a domain belongs to one owner, as far as it can be told without the list of public suffixes.
fn is_one_owners(domain: &str) -> bool {
    match domain.split('.').collect::<Vec<_>>()[..] {
        [] | [_] => false,
        [second, top] => !(top.len() == 2 && SHARED.contains(&second)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(check(&realm, &registry, &listed, false).is_ok(), right, "{registry} {realm}");
        }
    }

    #[test]
    fn a_plain_registry_that_is_allowed_may_have_its_tokens_plain_too() {
        let registry = Url::parse("http://harbor.internal.example.com").unwrap();
        let own = Url::parse("http://harbor.internal.example.com/service/token").unwrap();
        let sibling = Url::parse("http://auth.internal.example.com/service/token").unwrap();
        assert!(check(&own, &registry, &[], true).is_ok() && check(&own, &registry, &[], false).is_err());
        assert!(check(&sibling, &registry, &[], true).is_err());
    }
}
