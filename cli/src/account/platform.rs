//! `config.json`: the login on the Keynet platform, in the format of the Python package.

use std::path::Path;

use chrono::{SecondsFormat, Utc};
use keynet_base::config::Secret;
use serde_json::{Map, Value, json};

use super::file::{AccountError, PrivateFile};
use super::{Expiry, RegistryPrefix};
use crate::ui::secrecy;

/// A login on the Keynet platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformLogin {
    /// URL of the server, such as `https://api.example.com/app-training`, without a trailing slash.
    pub server: String,
    /// E-mail address of the user.
    pub username: String,
    /// API token that is sent to the server.
    pub token: Secret,
    /// Expiry time of the token; `None` if the server named none.
    pub expires: Option<Expiry>,
    /// Login at the Keynet platform's registry.
    pub harbor: Option<Harbor>,
}

/// The login at the Keynet platform's registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harbor {
    /// Address as the Keynet platform gave it: a host, or a URL.
    pub url: String,
    pub username: String,
    pub password: Secret,
}

impl Harbor {
    /// Returns the host of the registry, with its port if it has one.
    pub fn host(&self) -> Option<String> {
        RegistryPrefix::parse(&self.url).ok().map(|prefix| prefix.host().to_owned())
    }
}

/// The file `config.json`.
#[derive(Debug, Clone)]
pub struct PlatformFile(PrivateFile);

impl PlatformFile {
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

    /// Returns the login; `None` if the user is not signed in.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn login(&self) -> Result<Option<PlatformLogin>, AccountError> {
        let Some(all) = self.0.read::<Map<String, Value>>()? else { return Ok(None) };
        let (Some(server), Some(token)) = (text(&all, "server_url"), text(&all, "api_token"))
        else {
            return Ok(None);
        };
        secrecy::remember(token, "TOKEN");
        let harbor = all.get("harbor").and_then(Value::as_object).and_then(harbor);
        Ok(Some(PlatformLogin {
            server: server.trim_end_matches('/').to_owned(),
            username: text(&all, "username").unwrap_or_default().to_owned(),
            token: Secret::new(token),
            expires: text(&all, "api_token_expires_at").map(Expiry::parse),
            harbor,
        }))
    }

    /// Returns the server of the last login, even if that login has expired.
    ///
    /// # Errors
    /// As [`PlatformFile::login`].
    pub fn server(&self) -> Result<Option<String>, AccountError> {
        Ok(self
            .0
            .read::<Map<String, Value>>()?
            .and_then(|all| text(&all, "server_url").map(str::to_owned)))
    }

    /// Stores `login` and keeps everything else that the file holds.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn store(&self, login: &PlatformLogin) -> Result<(), AccountError> {
        let _lock = self.0.lock()?;
        let mut all = self.0.read::<Map<String, Value>>()?.unwrap_or_default();
        let mut harbor = all.get("harbor").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut keep = |name: &str, value: Value| all.insert(name.to_owned(), value);
        keep("server_url", json!(login.server));
        keep("username", json!(login.username));
        keep("api_token", json!(login.token.expose()));
        keep("api_token_expires_at", json!(login.expires.as_ref().map(|expires| &expires.text)));
        keep("last_login", json!(Utc::now().to_rfc3339_opts(SecondsFormat::Micros, false)));
        let of = |part: fn(&Harbor) -> &str| json!(login.harbor.as_ref().map(part));
        harbor.insert("url".to_owned(), of(|harbor| &harbor.url));
        harbor.insert("username".to_owned(), of(|harbor| &harbor.username));
        harbor.insert("password".to_owned(), of(|harbor| harbor.password.expose()));
        keep("harbor", Value::Object(harbor));
        self.0.write(&all)
    }

    /// Removes the login; returns `false` if there was none.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self) -> Result<bool, AccountError> {
        self.0.remove()
    }
}

/// Returns the text of a member; `None` if it is missing or empty.
fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn harbor(map: &Map<String, Value>) -> Option<Harbor> {
    let password = text(map, "password")?;
    secrecy::remember(password, "PASSWORD");
    Some(Harbor {
        url: text(map, "url")?.to_owned(),
        username: text(map, "username")?.to_owned(),
        password: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Accounts;

    fn login() -> PlatformLogin {
        PlatformLogin {
            server: "https://api.example.com/app-training".to_owned(),
            username: "ada@example.com".to_owned(),
            token: Secret::new("t0ken"),
            expires: Some(Expiry::parse("2999-01-31T12:00:00Z")),
            harbor: Some(Harbor {
                url: "harbor.example.com".to_owned(),
                username: "robot$ada".to_owned(),
                password: Secret::new("h4rbor"),
            }),
        }
    }

    #[test]
    fn a_login_is_kept_beside_what_others_keep() {
        let folder = tempfile::tempdir().unwrap();
        let file = Accounts::at(folder.path()).platform();
        std::fs::write(
            file.path(),
            r#"{"theme": "dark", "harbor": {"project": "p"}, "api_token": null}"#,
        )
        .unwrap();
        assert_eq!(file.login().unwrap(), None);
        file.store(&login()).unwrap();
        assert_eq!(file.login().unwrap(), Some(login()));
        let all: Value =
            serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        assert_eq!(
            (&all["theme"], &all["harbor"]["project"], &all["api_token"]),
            (&json!("dark"), &json!("p"), &json!("t0ken"))
        );
        assert_eq!(all["api_token_expires_at"], json!("2999-01-31T12:00:00Z"));
        assert!(file.remove().unwrap() && file.login().unwrap().is_none());
    }

    #[test]
    fn a_file_of_the_python_package_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = Accounts::at(folder.path()).platform();
        let text = r#"{
  "server_url": "https://api.example.com/app-training",
  "username": "ada@example.com",
  "api_token": "t0ken",
  "api_token_expires_at": "2999-01-31T12:00:00Z",
  "harbor": {
    "url": "harbor.example.com",
    "username": "robot$ada",
    "password": "h4rbor"
  },
  "last_login": "2026-01-01T00:00:00.000000+00:00"
}"#;
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(file.login().unwrap(), Some(login()));
        std::fs::write(
            file.path(),
            r#"{"server_url": "https://a/", "api_token": "t", "harbor": {"url": null}}"#,
        )
        .unwrap();
        let login = file.login().unwrap().unwrap();
        assert_eq!((login.server.as_str(), login.harbor, login.expires), ("https://a", None, None));
        assert_eq!(file.server().unwrap().as_deref(), Some("https://a/"));
    }

    #[test]
    fn a_login_shows_no_secret() {
        let shown = format!("{:?}", login());
        assert!(!shown.contains("t0ken") && !shown.contains("h4rbor"), "{shown}");
    }

    #[test]
    fn the_registry_of_the_platform_may_be_a_url() {
        let host = |url: &str| Harbor { url: url.to_owned(), ..login().harbor.unwrap() }.host();
        assert_eq!(host("https://Harbor.example.com/").as_deref(), Some("harbor.example.com"));
        assert_eq!(host("localhost:5000").as_deref(), Some("localhost:5000"));
        assert_eq!(host("").as_deref(), None);
    }
}
