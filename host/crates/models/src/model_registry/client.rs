//! Client of MLflow's REST API: sends requests and classifies errors.

use std::fmt;
use std::time::Instant;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::ModelVersion;
use super::wire::{LatestVersions, LoggedInfo, OneLogged, OneVersion, Refusal};
use crate::inference::ModelRef;
use keynet_base::call_observer;
use keynet_base::config::MlflowConfig;
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::outbound::{
    self, AddressPolicy, Backoff, BodyError, check_headers, read_beginning, read_whole, unanswered,
};
use keynet_base::quote::on_one_line;

/// Largest response in bytes. One version with its tags has some kilobytes.
const MAX_ANSWER: usize = 1 << 20;

/// Largest listing of artifacts, in bytes.
pub(super) const MAX_LISTING: usize = 4 << 20;

/// Bytes of an error response that are read.
const MAX_ERROR: usize = 64 << 10;

/// Characters of an error message that are passed on.
const SHOWN: usize = 300;

/// Client of one MLflow server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    /// Value of `Authorization`, which is never shown.
    credential: Option<HeaderValue>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(config: &MlflowConfig) -> Result<Self> {
        let addresses = AddressPolicy::of(config.origin);
        addresses.check(&config.url)?;
        Ok(Self {
            http: outbound::client_of(&config.url, &addresses, config.ca.as_deref())?,
            url: config.url.clone(),
            credential: credential(config)?,
        })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the version that a name of the registry refers to now.
    pub(super) async fn version(&self, model: &ModelRef, by: Instant) -> Result<ModelVersion> {
        match model {
            ModelRef::Served { .. } => {
                Err(Error::invalid(format!("model {model} is not one of a registry")))
            }
            ModelRef::Logged { .. } => Err(model
                .served()
                .err()
                .unwrap_or_else(|| Error::internal(format!("model {model} is served")))),
            ModelRef::RegistryAlias { name, alias } => {
                let found = self
                    .get::<OneVersion>(
                        "registered-models/alias",
                        &[("name", name), ("alias", alias)],
                        by,
                    )
                    .await;
                // MLflow reports a missing alias as an invalid parameter.
                let found = found.map_err(|error| match error.kind {
                    ErrorKind::Invalid | ErrorKind::NotFound => {
                        Error::not_found(format!("model {model}: {}", error.message))
                    }
                    _ => error,
                });
                found?.model_version.try_into()
            }
            ModelRef::RegistryVersion { name, version } if model.number().is_some() => {
                let found = self
                    .get::<OneVersion>(
                        "model-versions/get",
                        &[("name", name), ("version", version)],
                        by,
                    )
                    .await;
                found
                    .map_err(|error| Error {
                        message: format!("model {model}: {}", error.message),
                        ..error
                    })?
                    .model_version
                    .try_into()
            }
            ModelRef::RegistryVersion { name, version: stage } => {
                self.latest(model, name, stage, by).await
            }
        }
    }

    /// Returns the logged model `id`, registered or not.
    pub(super) async fn logged(&self, id: &str, by: Instant) -> Result<LoggedInfo> {
        let id = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
            .to_string();
        let found: OneLogged = self.get(&format!("logged-models/{id}"), &[], by).await?;
        Ok(found.model.info)
    }

    /// Returns the newest version in a stage, or the newest of all for the stage `latest`.
    async fn latest(
        &self,
        model: &ModelRef,
        name: &str,
        stage: &str,
        by: Instant,
    ) -> Result<ModelVersion> {
        let body = match stage {
            "latest" => json!({ "name": name }),
            stage => json!({ "name": name, "stages": [stage] }),
        };
        let found: LatestVersions = self
            .json(
                Method::POST,
                "api/2.0/mlflow/registered-models/get-latest-versions",
                &[],
                Some(body),
                MAX_ANSWER,
                by,
            )
            .await
            .map_err(|error| Error {
                message: format!("model {model}: {}", error.message),
                ..error
            })?;
        let versions: Vec<ModelVersion> =
            found.model_versions.into_iter().map(TryInto::try_into).collect::<Result<_>>()?;
        let newest = versions.into_iter().max_by_key(|version| version.version);
        newest.ok_or_else(|| {
            Error::not_found(format!("model {model}: no version of {name} is in the stage {stage}"))
        })
    }

    /// Sends `GET api/2.0/mlflow/{what}`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &str,
        query: &[(&str, &str)],
        by: Instant,
    ) -> Result<T> {
        self.json(Method::GET, &format!("api/2.0/mlflow/{what}"), query, None, MAX_ANSWER, by).await
    }

    /// Sends a request and parses the response as JSON of at most `limit` bytes.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
        limit: usize,
        by: Instant,
    ) -> Result<T> {
        let answer = tokio::time::timeout_at(by.into(), async {
            let response = self.send(method, path, query, body, by).await?;
            let bytes = read_whole(reqwest::Body::from(response), limit).await.map_err(
                |error| match error {
                    BodyError::TooLong(_) => {
                        Error::too_large(format!("MLflow at {} cannot be used: {error}", self.url))
                    }
                    _ => Error::unavailable(format!("MLflow at {} failed: {error}", self.url)),
                },
            )?;
            serde_json::from_slice(&bytes)
                .map_err(|_| self.no_mlflow("it answered something else than JSON"))
        });
        answer.await.unwrap_or_else(|_| Err(self.silent()))
    }

    /// Sends a request, with retries where they may help, until the response is successful.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
        by: Instant,
    ) -> Result<Response> {
        let url = format!("{}/{path}", self.url.as_str().trim_end_matches('/'));
        let mut backoff = Backoff::until(by);
        loop {
            let mut request = self.http.request(method.clone(), &url).query(query);
            if let Some(credential) = &self.credential {
                request = request.header(AUTHORIZATION, credential.clone());
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            request = request.headers(trace_headers());
            let answer = request.send().await;
            let again = match &answer {
                Ok(response) => matches!(response.status().as_u16(), 429 | 502..=504),
                Err(error) => unanswered(error).kind == ErrorKind::Unavailable,
            };
            if again && backoff.again().await {
                continue;
            }
            if let Ok(response) = &answer {
                check_headers(response.headers()).map_err(|large| {
                    Error::too_large(format!("MLflow at {} cannot be used: {large}", self.url))
                })?;
            }
            return match answer {
                Ok(response) if response.status().is_success() => Ok(response),
                Ok(response) => Err(self.refused(response).await),
                Err(error) => {
                    let why = unanswered(&error);
                    Err(Error {
                        kind: why.kind,
                        message: format!(
                            "MLflow at {} cannot be reached: {}",
                            self.url, why.message
                        ),
                    })
                }
            };
        }
    }

    async fn refused(&self, response: Response) -> Error {
        let status = response.status();
        let html = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let body = read_beginning(reqwest::Body::from(response), MAX_ERROR).await;
        let text = String::from_utf8_lossy(&body);
        let refusal = serde_json::from_str::<Refusal>(&text).ok();
        let plain = || {
            if html || text.trim().is_empty() {
                status.to_string()
            } else {
                on_one_line(&text, SHOWN)
            }
        };
        let said = refusal
            .as_ref()
            .map(|refusal| &refusal.message)
            .filter(|said| !said.is_empty())
            .map_or_else(plain, |said| on_one_line(said, SHOWN));
        let code = refusal.as_ref().map_or("", |refusal| &refusal.error_code);
        match (status, code) {
            (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST") => Error::not_found(said),
            (StatusCode::NOT_FOUND, _) => {
                self.no_mlflow("it does not know what every MLflow knows")
            }
            (StatusCode::UNAUTHORIZED, _) => Error::denied(match &self.credential {
                None => format!(
                    "MLflow at {} asks for credentials: set MLFLOW_TRACKING_USERNAME and \
                        MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
                    self.url
                ),
                Some(_) => format!(
                    "MLflow at {} does not accept the credentials it is given (MLFLOW_TRACKING_…)",
                    self.url
                ),
            }),
            (StatusCode::FORBIDDEN, _) => {
                Error::denied(format!("MLflow at {} does not allow it: {said}", self.url))
            }
            (status, _) if status.is_redirection() => self.no_mlflow("it leads elsewhere"),
            (status, _) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Error::unavailable(format!("MLflow at {} failed: {said}", self.url))
            }
            (status, _) if status.is_client_error() => Error::invalid(said),
            _ => Error::internal(format!("MLflow at {} answered {status}", self.url)),
        }
    }

    fn no_mlflow(&self, why: &str) -> Error {
        Error::unavailable(format!(
            "{} is not where MLflow is, {why}: MLFLOW_TRACKING_URI says where it is looked for",
            self.url
        ))
    }

    fn silent(&self) -> Error {
        Error::unavailable(format!("MLflow at {} did not answer in time", self.url))
    }
}

/// Returns the headers of the call's trace.
fn trace_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    call_observer::add_trace_headers(&mut headers);
    headers
}

fn credential(config: &MlflowConfig) -> Result<Option<HeaderValue>> {
    use base64::Engine as _;
    let text = match (&config.bearer, &config.basic) {
        (Some(token), _) => format!("Bearer {}", token.expose()),
        (None, Some((user, password))) => {
            format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD
                    .encode(format!("{user}:{}", password.expose()))
            )
        }
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Error::invalid(format!(
            "MLFLOW_TRACKING_TOKEN in {} has characters that a header cannot hold",
            config.origin
        ))
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}
