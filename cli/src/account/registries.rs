//! `registries.json`: logins at registries, each for the host or path that it was stored for.

use std::collections::BTreeMap;
use std::path::Path;

use keynet_base::config::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RegistryPrefix;
use super::file::{AccountError, PrivateFile};
use crate::ui::secrecy;

/// A login at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// Scope of the login: `host` or `host/path`.
    pub prefix: String,
    pub username: String,
    /// Password or access token.
    pub password: Secret,
}

/// Content of the file.
#[derive(Default, Serialize, Deserialize)]
struct Content {
    #[serde(default)]
    registries: BTreeMap<String, Kept>,
    /// Members that other versions of this program wrote.
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    username: String,
    password: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

/// The file `registries.json`.
#[derive(Debug, Clone)]
pub struct RegistriesFile(PrivateFile);

impl RegistriesFile {
    pub(super) fn new(file: PrivateFile) -> Self {
        Self(file)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Reports whether other users can read the file.
    pub fn is_open_to_others(&self) -> bool {
        self.0.is_open_to_others()
    }

    /// Returns the logins, sorted by prefix.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn logins(&self) -> Result<Vec<RegistryLogin>, AccountError> {
        let content = self.0.read::<Content>()?.unwrap_or_default();
        let login = |(prefix, kept): (String, Kept)| {
            secrecy::remember(&kept.password, "PASSWORD");
            RegistryLogin { prefix, username: kept.username, password: Secret::new(kept.password) }
        };
        Ok(content.registries.into_iter().map(login).collect())
    }

    /// Stores a login; replaces the one for the same prefix.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn store(
        &self,
        prefix: &RegistryPrefix,
        username: &str,
        password: &Secret,
    ) -> Result<(), AccountError> {
        let _lock = self.0.lock()?;
        let mut content = self.0.read::<Content>()?.unwrap_or_default();
        let kept = Kept {
            username: username.to_owned(),
            password: password.expose().to_owned(),
            more: Map::new(),
        };
        content.registries.insert(prefix.as_str().to_owned(), kept);
        self.0.write(&content)
    }

    /// Removes the login for `prefix`; returns `false` if there was none.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn remove(&self, prefix: &RegistryPrefix) -> Result<bool, AccountError> {
        let Some(_) = self.0.read::<Content>()? else { return Ok(false) };
        let _lock = self.0.lock()?;
        let mut content = self.0.read::<Content>()?.unwrap_or_default();
        if content.registries.remove(prefix.as_str()).is_none() {
            return Ok(false);
        }
        self.0.write(&content).map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Accounts;

    #[test]
    fn a_login_is_for_its_prefix_and_is_removed_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = Accounts::at(folder.path()).registries();
        let (whole, team) = (
            RegistryPrefix::parse("r.example.com").unwrap(),
            RegistryPrefix::parse("r.example.com/team").unwrap(),
        );
        assert!(!file.remove(&whole).unwrap());
        file.store(&whole, "ada", &Secret::new("first")).unwrap();
        file.store(&team, "grace", &Secret::new("second")).unwrap();
        file.store(&whole, "ada", &Secret::new("third")).unwrap();
        let logins = file.logins().unwrap();
        let seen: Vec<_> = logins
            .iter()
            .map(|login| (login.prefix.as_str(), login.username.as_str(), login.password.expose()))
            .collect();
        assert_eq!(
            seen,
            [("r.example.com", "ada", "third"), ("r.example.com/team", "grace", "second")]
        );
        assert!(file.remove(&whole).unwrap() && !file.remove(&whole).unwrap());
        assert_eq!(file.logins().unwrap().len(), 1);
    }
}
