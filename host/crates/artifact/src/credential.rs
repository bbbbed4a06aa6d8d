//! Credentials for a registry, and the sources they are looked up in.

use std::sync::Arc;

use super::error::Result;
use keynet_base::config::Secret;

/// Credential that is sent to a registry or to its token server, and to no other server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// User name and password.
    Basic {
        /// User name.
        username: String,
        /// Password, or an access token in its place.
        password: Secret,
    },
    /// Refresh token from an earlier login at a token server; it is sent to the token server only.
    IdentityToken(Secret),
    /// Token that the registry itself accepts.
    Bearer(Secret),
}

/// Source of credentials.
pub trait CredentialSource: Send + Sync {
    /// Returns the credential for `repository` of the registry `host` (with its port, if it has
    /// one); `None` if none is known. It may block: it is called where blocking is allowed.
    ///
    /// # Errors
    /// There is a credential, but it cannot be read.
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>>;
}

/// Reports whether a credential that was configured for `prefix`, a `host` or `host/path`, applies
/// to `repository` of `host`: the host is the same, and the path is the repository or a folder
/// above it.
pub fn is_for(prefix: &str, host: &str, repository: &str) -> bool {
    let (of, path) = prefix.split_once('/').unwrap_or((prefix, ""));
    let path = path.trim_end_matches('/');
    let below = || {
        repository.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    of.eq_ignore_ascii_case(host) && (path.is_empty() || below())
}

/// Source without any credentials.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

impl CredentialSource for Anonymous {
    fn find(&self, _: &str, _: &str) -> Result<Option<Credential>> {
        Ok(None)
    }
}

/// Source of one credential for everything below one `host` or `host/path`.
#[derive(Debug, Clone)]
pub struct Given {
    /// `host` or `host/path`.
    pub prefix: String,
    /// Credential to send there.
    pub credential: Credential,
}

impl CredentialSource for Given {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        Ok(is_for(&self.prefix, host, repository).then(|| self.credential.clone()))
    }
}

/// Chain of sources: the first that has a credential wins.
#[derive(Clone, Default)]
pub struct FirstOf(pub Vec<Arc<dyn CredentialSource>>);

impl CredentialSource for FirstOf {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>> {
        for source in &self.0 {
            if let Some(credential) = source.find(host, repository)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_for_its_host_and_prefix_only() {
        for (prefix, is) in [
            ("registry.example.com", true),
            ("Registry.example.com/", true),
            ("registry.example.com/team", true),
            ("registry.example.com/team/name/", true),
            ("registry.example.com/tea", false),
            ("registry.example.com/team/name/more", false),
            ("registry.example.com:443", false),
            ("example.com", false),
            ("evil-registry.example.com", false),
            ("", false),
        ] {
            assert_eq!(is_for(prefix, "registry.example.com", "team/name"), is, "{prefix}");
        }
    }

    #[test]
    fn the_first_that_knows_one_is_asked() {
        let given = |prefix: &str, token: &str| -> Arc<dyn CredentialSource> {
            Arc::new(Given {
                prefix: prefix.to_owned(),
                credential: Credential::Bearer(Secret::new(token)),
            })
        };
        let sources = FirstOf(vec![
            Arc::new(Anonymous),
            given("other", "x"),
            given("host/team", "a"),
            given("host", "b"),
        ]);
        let found = |repository| sources.find("host", repository).unwrap().unwrap();
        assert_eq!(found("team/name"), Credential::Bearer(Secret::new("a")));
        assert_eq!(found("name"), Credential::Bearer(Secret::new("b")));
        assert_eq!(sources.find("elsewhere", "name").unwrap(), None);
    }
}
