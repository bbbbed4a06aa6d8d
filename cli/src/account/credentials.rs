//! Credentials for registries: the login that was stored for the registry, then the Keynet
//! platform's login for its own registry, then Docker's configuration.

use std::sync::Arc;

use keynet_artifact::credential::is_for;
use keynet_artifact::{ArtifactError, Credential, CredentialSource, DockerConfig, FirstOf};

use super::{AccountError, Accounts, RegistryLogin};

/// Returns the user's credentials. Each is sent only to the host and path that it was stored for.
///
/// # Errors
/// A file of logins cannot be read.
pub fn credentials(accounts: &Accounts) -> Result<Arc<dyn CredentialSource>, AccountError> {
    Ok(Arc::new(FirstOf(vec![Arc::new(Logins::of(accounts)?), Arc::new(DockerConfig::default())])))
}

struct Logins(Vec<RegistryLogin>);

impl Logins {
    fn of(accounts: &Accounts) -> Result<Self, AccountError> {
        let mut logins = accounts.registries().logins()?;
        let harbor = accounts.platform().login()?.and_then(|login| login.harbor);
        if let Some((host, harbor)) = harbor.and_then(|harbor| Some((harbor.host()?, harbor))) {
            // Comes after the logins that the user stored for the same host.
            logins.push(RegistryLogin {
                prefix: host,
                username: harbor.username,
                password: harbor.password,
            });
        }
        Ok(Self(logins))
    }
}

impl CredentialSource for Logins {
    fn find(&self, host: &str, repository: &str) -> Result<Option<Credential>, ArtifactError> {
        let fitting = self.0.iter().filter(|login| is_for(&login.prefix, host, repository));
        // The longest prefix wins; of equally long prefixes, the first.
        let closest = fitting.rev().max_by_key(|login| login.prefix.trim_end_matches('/').len());
        Ok(closest.map(|login| Credential::Basic {
            username: login.username.clone(),
            password: login.password.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use keynet_base::config::Secret;

    use super::*;
    use crate::account::{Harbor, PlatformLogin, RegistryPrefix};

    #[test]
    fn the_closest_login_is_shown_and_to_its_own_host_only() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::at(folder.path());
        for (prefix, user) in [
            ("r.example.com", "whole"),
            ("r.example.com/team", "team"),
            ("other.example.com", "other"),
        ] {
            accounts
                .registries()
                .store(&RegistryPrefix::parse(prefix).unwrap(), user, &Secret::new("p"))
                .unwrap();
        }
        let harbor = Harbor {
            url: "https://harbor.example.com".to_owned(),
            username: "robot".to_owned(),
            password: Secret::new("h"),
        };
        let login = PlatformLogin {
            server: "https://api.example.com".to_owned(),
            username: "ada".to_owned(),
            token: Secret::new("t"),
            expires: None,
            harbor: Some(harbor),
        };
        accounts.platform().store(&login).unwrap();
        let logins = Logins::of(&accounts).unwrap();
        let user = |host: &str, repository: &str| {
            logins.find(host, repository).unwrap().map(|found| match found {
                Credential::Basic { username, .. } => username,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(user("r.example.com", "team/x").as_deref(), Some("team"));
        assert_eq!(user("r.example.com", "teams/x").as_deref(), Some("whole"));
        assert_eq!(user("harbor.example.com", "project/x").as_deref(), Some("robot"));
        assert_eq!(user("api.example.com", "project/x"), None);
        assert_eq!(user("r.example.com:5000", "team/x"), None);
        accounts
            .registries()
            .store(&RegistryPrefix::parse("harbor.example.com").unwrap(), "mine", &Secret::new("p"))
            .unwrap();
        let logins = Logins::of(&accounts).unwrap();
        assert!(
            matches!(logins.find("harbor.example.com", "x").unwrap(), Some(Credential::Basic { username, .. }) if username == "mine")
        );
    }
}
