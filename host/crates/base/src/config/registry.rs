//! Registries that a container pulls components from.

use std::path::PathBuf;

use super::ConfigError;
use super::backends::Secret;
use super::settings::Variables;

/// Registries that may be contacted, and the credentials for them. All of it is set by the
/// operator: a reference in `/init` contributes none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryConfig {
    /// `KEYNET_REGISTRY_HOSTS`: the only hosts (`host` or `host:port`) that may be contacted, token
    /// servers and redirects included; `None` for any host at a public address.
    pub hosts: Option<Vec<String>>,
    /// `KEYNET_REGISTRY`, `KEYNET_REGISTRY_USERNAME` and `KEYNET_REGISTRY_PASSWORD`: login for a
    /// `host` or `host/prefix`.
    pub login: Option<RegistryLogin>,
    /// `KEYNET_REGISTRY_CONFIG`: Docker's `config.json` with further logins.
    pub docker_config: Option<PathBuf>,
    /// `KEYNET_REGISTRY_CA`: PEM file of certificate authorities.
    pub ca: Option<PathBuf>,
    /// `KEYNET_REGISTRY_INSECURE`: hosts that are contacted over plain HTTP.
    pub insecure: Vec<String>,
    /// `KEYNET_REGISTRY_TOKEN_REALMS`: token servers of another domain that may receive a
    /// registry's credentials.
    pub token_realms: Vec<String>,
}

/// Credentials for everything below one `host` or `host/prefix`, and for nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// `host` or `host/prefix`.
    pub prefix: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Secret,
}

impl RegistryConfig {
    pub(super) fn read(host: &Variables) -> Result<Self, ConfigError> {
        let names = ["KEYNET_REGISTRY", "KEYNET_REGISTRY_USERNAME", "KEYNET_REGISTRY_PASSWORD"];
        let missing = |name| {
            host.error(name, "it is missing, and another part of the registry's login is there")
        };
        let login = match names.map(|name| host.owned(name)) {
            [None, None, None] => None,
            [Some(prefix), Some(username), Some(password)] => {
                Some(RegistryLogin { prefix, username, password: Secret::new(password) })
            }
            [None, ..] => return Err(missing("KEYNET_REGISTRY")),
            [_, None, _] => return Err(missing("KEYNET_REGISTRY_USERNAME")),
            _ => return Err(missing("KEYNET_REGISTRY_PASSWORD")),
        };
        Ok(Self {
            hosts: host.parse("KEYNET_REGISTRY_HOSTS", parse_hosts)?,
            login,
            docker_config: host.path("KEYNET_REGISTRY_CONFIG"),
            ca: host.path("KEYNET_REGISTRY_CA"),
            insecure: host.parse("KEYNET_REGISTRY_INSECURE", parse_hosts)?.unwrap_or_default(),
            token_realms: host
                .parse("KEYNET_REGISTRY_TOKEN_REALMS", parse_hosts)?
                .unwrap_or_default(),
        })
    }

    /// Reports whether `host` may be contacted over plain HTTP although it is another machine.
    pub fn is_insecure(&self, host: &str) -> bool {
        self.insecure.iter().any(|listed| listed.eq_ignore_ascii_case(host))
    }
}

/// Parses hosts separated by commas or spaces.
fn parse_hosts(text: &str) -> Result<Vec<String>, String> {
    let hosts: Vec<_> =
        text.split([',', ' ']).filter(|host| !host.is_empty()).map(str::to_owned).collect();
    match hosts.iter().find(|host| host.contains(['/', '@'])) {
        Some(wrong) => Err(format!(
            "{wrong:?} is not a host; write registry.example.com or localhost:5000, with commas \
                between several"
        )),
        None => Ok(hosts),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Config, Origin};
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<RegistryConfig, ConfigError> {
        let pairs: BTreeMap<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_origins(vec![(Origin::Container, pairs)]).map(|config| config.registry)
    }

    #[test]
    fn a_login_is_whole_or_an_error_that_shows_no_secret() {
        let whole = [
            ("KEYNET_REGISTRY", "r.example.com/team"),
            ("KEYNET_REGISTRY_USERNAME", "u"),
            ("KEYNET_REGISTRY_PASSWORD", "hunter2"),
        ];
        let login = read(&whole).unwrap().login.unwrap();
        assert_eq!(
            (login.prefix.as_str(), login.password.expose()),
            ("r.example.com/team", "hunter2")
        );
        for missing in 0..3 {
            let rest: Vec<_> = whole
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != missing)
                .map(|(_, pair)| *pair)
                .collect();
            let error = read(&rest).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{} in", whole[missing].0))
                    && !error.contains("hunter2"),
                "{error}"
            );
        }
        assert_eq!(read(&[]).unwrap().login, None);
    }

    #[test]
    fn hosts_are_a_list() {
        assert_eq!(read(&[]).unwrap().hosts, None);
        assert_eq!(
            read(&[("KEYNET_REGISTRY_HOSTS", "a:5000, b,")]).unwrap().hosts,
            Some(vec!["a:5000".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn hosts_are_a_list_and_nothing_else() {
        assert_eq!(
            parse_hosts("localhost:5000, r.example.com,").unwrap(),
            ["localhost:5000", "r.example.com"]
        );
        assert!(
            parse_hosts("http://localhost:5000")
                .unwrap_err()
                .contains("localhost:5000, with commas")
        );
        let config = read(&[("KEYNET_REGISTRY_INSECURE", "R.example.com")]).unwrap();
        assert!(config.is_insecure("r.example.com") && !config.is_insecure("r.example.com:443"));
    }
}
