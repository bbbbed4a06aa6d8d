//! OpenWhisk's address and key: explicit settings, then the environment, then `.wskprops`, as `wsk`
//! reads them.

use std::fmt;
use std::path::PathBuf;

use keynet_base::config::Secret;
use keynet_base::redaction;
use url::Url;

use super::ClientError;
use super::props::Props;

/// Settings that override the environment and `.wskprops`.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Address of the API: `host`, `host:port` or a URL.
    pub api_host: Option<String>,
    /// The key, `uuid:key`.
    pub key: Option<Secret>,
    /// Namespace of names without one; the key's own if `None`.
    pub namespace: Option<String>,
    /// Accepts any server certificate.
    pub insecure: bool,
    /// PEM file of certificate authorities that are trusted in addition.
    pub ca: Option<PathBuf>,
}

/// API key of the form `uuid:key`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    user: String,
    password: Secret,
}

impl ApiKey {
    fn parse(text: &str) -> Option<Self> {
        let (user, password) = text.split_once(':')?;
        redaction::remember(password, "OPENWHISK_KEY");
        let told = !user.is_empty() && !password.is_empty() && !text.contains(char::is_whitespace);
        told.then(|| Self { user: user.to_owned(), password: Secret::new(password) })
    }

    /// Returns the part before the colon.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the part after the colon.
    pub fn password(&self) -> &str {
        self.password.expose()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Complete settings of a client.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Root of the server: `https://host/`.
    pub root: Url,
    /// API key.
    pub key: ApiKey,
    /// Namespace of names without one; `_` is the key's own.
    pub namespace: String,
    /// Accepts any server certificate.
    pub insecure: bool,
    /// PEM file of further certificate authorities.
    pub ca: Option<PathBuf>,
    /// Certificate of the client and its key (`CERT`, `KEY`).
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ApiSettings {
    /// Reads the settings from `overrides`, the environment and `.wskprops`.
    ///
    /// # Errors
    /// The address or the key is not set, or a setting cannot be parsed.
    pub fn read(overrides: &Overrides) -> Result<Self, ClientError> {
        Self::from(overrides, |name| {
            std::env::var(name).ok().filter(|value| !value.is_empty() || name == "WSK_CONFIG_FILE")
        })
    }

    fn from(
        overrides: &Overrides,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ClientError> {
        let props = Props::find(&variable)?;
        let find = |flag: Option<&str>, names: [&'static str; 3], property: &'static str| {
            if let Some(value) = flag {
                return Some(("the command line", value.to_owned()));
            }
            let told = names.into_iter().find_map(|name| Some((name, variable(name)?)));
            told.or_else(|| Some((property, props.get(property)?.to_owned())))
        };
        let missing = |what: &'static str| ClientError::NotConfigured {
            what,
            props: props.path().map(PathBuf::from),
        };

        let host = find(
            overrides.api_host.as_deref(),
            ["WSK_APIHOST", "WHISK_APIHOST", "__OW_API_HOST"],
            "APIHOST",
        );
        let (origin, host) = host.ok_or_else(|| missing("address"))?;
        let root = root_of(&host).map_err(|why| ClientError::BadHost { host, origin, why })?;
        let auth = find(
            overrides.key.as_ref().map(Secret::expose),
            ["WSK_AUTH", "WHISK_AUTH", "__OW_API_KEY"],
            "AUTH",
        );
        let (origin, auth) = auth.ok_or_else(|| missing("key"))?;
        let key = ApiKey::parse(auth.trim()).ok_or(ClientError::BadKey { origin })?;
        let namespace = find(
            overrides.namespace.as_deref(),
            ["WSK_NAMESPACE", "WHISK_NAMESPACE", "__OW_NAMESPACE"],
            "NAMESPACE",
        );
        let ignore =
            variable("__OW_IGNORE_CERTS").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Self {
            root,
            key,
            namespace: namespace.map_or_else(|| "_".to_owned(), |(_, name)| name),
            insecure: overrides.insecure || ignore,
            ca: overrides.ca.clone(),
            identity: props
                .get("CERT")
                .zip(props.get("KEY"))
                .map(|(cert, key)| (cert.into(), key.into())),
        })
    }

    /// Returns the address, for messages.
    pub fn host(&self) -> &str {
        self.root.as_str().trim_end_matches('/')
    }

    /// Reports whether the key would be sent to another machine unencrypted.
    pub fn in_the_clear(&self) -> bool {
        let here = match self.root.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.root.scheme() == "http" && !here
    }
}

/// Parses `host`, `host:port` or a URL; the default scheme is https.
fn root_of(text: &str) -> Result<Url, String> {
    let text = text.trim().trim_end_matches('/');
    let whole = if text.contains("://") { format!("{text}/") } else { format!("https://{text}/") };
    let url = Url::parse(&whole).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{} is neither http nor https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user or a password, which belong into AUTH".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return Err("it is no address of a server, such as openwhisk.example.com or \
            http://127.0.0.1:3233"
            .to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(
        overrides: &Overrides,
        file: &str,
        environment: &[(&str, &str)],
    ) -> Result<ApiSettings, ClientError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".wskprops"), file).unwrap();
        let home = folder.path().display().to_string();
        ApiSettings::from(overrides, |name| {
            let set = environment
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned());
            set.or_else(|| (name == "HOME").then(|| home.clone()))
        })
    }

    const FILE: &str = "APIHOST=file.example.com\nAUTH=file:secret\nNAMESPACE=ours\n";

    #[test]
    fn flags_stand_above_the_environment_and_that_above_the_file() {
        let settings = read(&Overrides::default(), FILE, &[]).unwrap();
        assert_eq!(
            (settings.host(), settings.namespace.as_str()),
            ("https://file.example.com", "ours")
        );
        assert_eq!((settings.key.user(), settings.key.password()), ("file", "secret"));

        let environment = [
            ("WHISK_APIHOST", "http://whisk:1"),
            ("__OW_API_HOST", "inside"),
            ("WSK_AUTH", "env:k"),
            ("WSK_NAMESPACE", "_"),
        ];
        let settings = read(&Overrides::default(), FILE, &environment).unwrap();
        assert_eq!(
            (settings.host(), settings.key.user(), settings.namespace.as_str()),
            ("http://whisk:1", "env", "_")
        );

        let overrides = Overrides {
            api_host: Some("flag/ow/".into()),
            key: Some(Secret::new("flag:k")),
            ..Overrides::default()
        };
        let settings = read(&overrides, FILE, &environment).unwrap();
        assert_eq!((settings.host(), settings.key.user()), ("https://flag/ow", "flag"));

        let inside = [
            ("__OW_API_HOST", "https://inside:443"),
            ("__OW_API_KEY", "a:b"),
            ("__OW_IGNORE_CERTS", "True"),
        ];
        let settings = read(&Overrides::default(), "", &inside).unwrap();
        assert!(
            settings.insecure && settings.host() == "https://inside" && settings.namespace == "_"
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_without_the_key() {
        let error = read(&Overrides::default(), "", &[]).unwrap_err().to_string();
        assert!(error.contains("address"), "{error}");
        let error = read(&Overrides::default(), "APIHOST=h", &[]).unwrap_err().to_string();
        assert!(error.contains("key"), "{error}");
        for key in ["hunter2", "hunter2:", ":hunter2", "a:hun ter2"] {
            let error = read(&Overrides::default(), "APIHOST=h", &[("WSK_AUTH", key)])
                .unwrap_err()
                .to_string();
            assert!(error.contains("WSK_AUTH") && !error.contains("hun"), "{error}");
        }
        for host in ["ftp://h", "https://u:p@h", "h?x=1", ""] {
            let overrides = Overrides { api_host: Some(host.to_owned()), ..Overrides::default() };
            assert!(read(&overrides, FILE, &[]).is_err(), "{host}");
        }
    }

    #[test]
    fn nothing_shows_a_key() {
        let overrides =
            Overrides { key: Some(Secret::new("uuid:hunter2")), ..Overrides::default() };
        let settings = read(&overrides, FILE, &[]).unwrap();
        assert!(!format!("{overrides:?} {settings:?}").contains("hunter2"));
    }

    #[test]
    fn only_another_machine_can_overhear() {
        let clear = |host: &str| {
            let overrides = Overrides { api_host: Some(host.to_owned()), ..Overrides::default() };
            read(&overrides, FILE, &[]).unwrap().in_the_clear()
        };
        assert!(clear("http://ow.example.com") && clear("http://10.0.0.1:3233"));
        assert!(
            !clear("https://ow.example.com")
                && !clear("http://localhost:3233")
                && !clear("http://[::1]:3233")
        );
    }
}
