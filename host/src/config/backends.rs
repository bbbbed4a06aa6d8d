//! The servers that take the embedded defaults' place, each read as one unit.

use std::fmt;

use url::Url;

use super::settings::{Settings, Variables};
use super::{ConfigError, Origin};

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, to be handed to a server and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `TRITON_URL`: the gRPC port of a Triton server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TritonConfig {
    /// `http://host:port`, or `https://` for TLS.
    pub url: Url,
    /// Where it was read.
    pub origin: Origin,
}

/// An S3 store: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_BUCKET_NAME` and, unless it is Amazon's, `MLFLOW_S3_ENDPOINT_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Config {
    /// `MLFLOW_S3_ENDPOINT_URL`, or `AWS_ENDPOINT_URL`; none for Amazon's.
    pub endpoint: Option<Url>,
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// `AWS_BUCKET_NAME`: the bucket of locations that are only a key.
    pub bucket: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
    /// Where they were read.
    pub origin: Origin,
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
    /// Where they were read.
    pub origin: Origin,
}

impl TritonConfig {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let Some(unit) = settings.unit(&["TRITON_URL"]) else { return Ok(None) };
        Ok(Some(Self { url: required(unit, "TRITON_URL", parse_url)?, origin: unit.origin }))
    }
}

impl S3Config {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        // A region or an endpoint alone is no store: many machines have one set for other programs.
        let Some(unit) = settings.unit(&["AWS_BUCKET_NAME", "MLFLOW_S3_ENDPOINT_URL"]) else { return Ok(None) };
        let endpoint = match unit.parse("MLFLOW_S3_ENDPOINT_URL", parse_url)? {
            None => unit.parse("AWS_ENDPOINT_URL", parse_url)?,
            found => found,
        };
        Ok(Some(Self {
            endpoint,
            region: unit.owned("AWS_REGION").or_else(|| unit.owned("AWS_DEFAULT_REGION")),
            bucket: required(unit, "AWS_BUCKET_NAME", text)?,
            access_key_id: required(unit, "AWS_ACCESS_KEY_ID", text)?,
            secret_access_key: Secret(required(unit, "AWS_SECRET_ACCESS_KEY", text)?),
            session_token: unit.owned("AWS_SESSION_TOKEN").map(Secret),
            origin: unit.origin,
        }))
    }
}

impl MlflowConfig {
    pub(super) fn read(settings: &Settings) -> Result<Option<Self>, ConfigError> {
        let names = ["MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"];
        let Some(unit) = settings.unit(&names) else { return Ok(None) };
        let basic = match unit.owned("MLFLOW_TRACKING_USERNAME") {
            None => None,
            Some(user) => Some((user, Secret(required(unit, "MLFLOW_TRACKING_PASSWORD", text)?))),
        };
        Ok(Some(Self {
            url: required(unit, "MLFLOW_TRACKING_URI", parse_url)?,
            basic,
            bearer: unit.owned("MLFLOW_TRACKING_TOKEN").map(Secret),
            origin: unit.origin,
        }))
    }
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

fn required<T>(unit: &Variables, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
    unit.parse(name, parse)?.ok_or_else(|| unit.error(name, "it is missing, and the other settings of this server are there"))
}

/// An http(s) URL without user or password: a path in the file system can never be meant.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("{why}; write http://host:port or https://host:port");
    let url = Url::parse(text).map_err(|error| wrong(&format!("not a URL ({error})")))?;
    match url.scheme() {
        "http" | "https" if url.username().is_empty() && url.password().is_none() => Ok(url),
        "http" | "https" => Err(wrong("a URL with a user or password")),
        scheme => Err(wrong(&format!("a URL of scheme `{scheme}`"))),
    }
}
