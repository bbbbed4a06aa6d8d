//! Servers that replace the embedded defaults, each read as one unit.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::settings::{Settings, Variables};
use super::{ConfigError, Origin, parse_duration};

/// Text that is never shown.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps `text` so that it is not shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Returns the text, to be sent to a server and to no other destination.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// S3 store: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_BUCKET_NAME` and, unless it is
/// Amazon's, `MLFLOW_S3_ENDPOINT_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// `MLFLOW_S3_ENDPOINT_URL`, or `AWS_ENDPOINT_URL`; `None` for Amazon's.
    pub endpoint: Option<Url>,
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// `AWS_BUCKET_NAME`: the bucket of locations that are only a key.
    pub bucket: String,
    /// Credentials that sign the requests.
    pub credentials: S3Credentials,
    /// `KEYNET_S3_CA`: file of PEM certificates that the store must be certified by, instead of
    /// those that the machine trusts.
    pub ca: Option<PathBuf>,
    /// Origin of the settings.
    pub origin: Origin,
}

/// Credentials that sign requests to an S3 store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Credentials {
    /// Configured access key.
    Key {
        /// `AWS_ACCESS_KEY_ID`.
        id: String,
        /// `AWS_SECRET_ACCESS_KEY`.
        secret: Secret,
        /// `AWS_SESSION_TOKEN`.
        token: Option<Secret>,
    },
    /// Credentials of the machine's metadata service: no key is configured, and
    /// `KEYNET_AWS_INSTANCE_CREDENTIALS` is `true`.
    Instance,
}

/// `MLFLOW_TRACKING_URI`: the registry that `models:/…` names are looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlflowConfig {
    /// `http://host:port` or `https://…`.
    pub url: Url,
    /// `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
    pub basic: Option<(String, Secret)>,
    /// `MLFLOW_TRACKING_TOKEN`.
    pub bearer: Option<Secret>,
    /// `KEYNET_MLFLOW_CA`: file of PEM certificates that the registry must be certified by, instead
    /// of those that the machine trusts.
    pub ca: Option<PathBuf>,
    /// `KEYNET_MLFLOW_TTL`: time for which an answer of the registry is cached; a moved alias takes
    /// effect after it.
    pub ttl: Duration,
    /// `KEYNET_MLFLOW_STALE`: time for which a cached answer is used while the registry does not
    /// answer.
    pub stale: Duration,
    /// Origin of the settings.
    pub origin: Origin,
}

impl S3Config {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        // A region or an endpoint alone does not configure a store: many machines have one set for
        // other programs.
        let Some(unit) = settings.unit(&["AWS_BUCKET_NAME", "MLFLOW_S3_ENDPOINT_URL"]) else {
            return Ok(None);
        };
        Ok(Some(Self {
            endpoint: Self::endpoint(unit)?,
            region: Self::region(unit),
            bucket: required(unit, "AWS_BUCKET_NAME", text)?,
            credentials: S3Credentials::read(unit)?,
            ca: settings.host().path("KEYNET_S3_CA"),
            origin: unit.origin,
        }))
    }

    pub(super) fn endpoint(unit: &Variables) -> Result<Option<Url>, ConfigError> {
        match unit.parse("MLFLOW_S3_ENDPOINT_URL", parse_url)? {
            None => unit.parse("AWS_ENDPOINT_URL", parse_url),
            found => Ok(found),
        }
    }

    pub(super) fn region(unit: &Variables) -> Option<String> {
        unit.owned("AWS_REGION").or_else(|| unit.owned("AWS_DEFAULT_REGION"))
    }
}

impl S3Credentials {
    pub(super) fn read(unit: &Variables) -> Result<Self, ConfigError> {
        // The machine's credentials are the operator's: they are not sent to an endpoint of another
        // origin.
        let instance = unit.origin == Origin::Container
            && unit.parse("KEYNET_AWS_INSTANCE_CREDENTIALS", parse_switch)?.unwrap_or(false);
        if instance
            && unit.text("AWS_ACCESS_KEY_ID").is_none()
            && unit.text("AWS_SECRET_ACCESS_KEY").is_none()
        {
            return Ok(Self::Instance);
        }
        Ok(Self::Key {
            id: required(unit, "AWS_ACCESS_KEY_ID", text)?,
            secret: Secret::new(required(unit, "AWS_SECRET_ACCESS_KEY", text)?),
            token: unit.owned("AWS_SESSION_TOKEN").map(Secret::new),
        })
    }
}

impl MlflowConfig {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let names = [
            "MLFLOW_TRACKING_URI",
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
        ];
        let Some(unit) = settings.unit(&names) else { return Ok(None) };
        let host = settings.host();
        let basic = match unit.owned("MLFLOW_TRACKING_USERNAME") {
            None => None,
            Some(user) => {
                Some((user, Secret::new(required(unit, "MLFLOW_TRACKING_PASSWORD", text)?)))
            }
        };
        Ok(Some(Self {
            url: required(unit, "MLFLOW_TRACKING_URI", parse_url)?,
            basic,
            bearer: unit.owned("MLFLOW_TRACKING_TOKEN").map(Secret::new),
            ca: host.path("KEYNET_MLFLOW_CA"),
            ttl: host
                .parse("KEYNET_MLFLOW_TTL", parse_duration)?
                .unwrap_or(Duration::from_secs(30)),
            stale: host
                .parse("KEYNET_MLFLOW_STALE", parse_duration)?
                .unwrap_or(Duration::from_secs(24 * 3600)),
            origin: unit.origin,
        }))
    }
}

/// Parses `true` or `false`.
fn parse_switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("{text:?} is neither `true` nor `false`"))
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) fn required<T>(
    unit: &Variables,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, ConfigError> {
    unit.parse(name, parse)?.ok_or_else(|| {
        unit.error(name, "it is missing, and the other settings of this server are there")
    })
}

/// Parses an http(s) URL without user or password; a path in the file system is rejected.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("{why}; write http://host:port or https://host:port");
    let url = Url::parse(text).map_err(|error| wrong(&format!("not a URL ({error})")))?;
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => Err(wrong("a URL with a user or password")),
        scheme => Err(wrong(&format!("a URL of scheme `{scheme}`"))),
    }
}
