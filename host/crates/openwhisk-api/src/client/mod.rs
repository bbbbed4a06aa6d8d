//! REST API over HTTP: one method for each request. The key is sent in a header, and is never part
//! of a URL or a message.

use std::time::Duration;

use keynet_base::outbound::{BodyError, check_headers, read_whole};
use keynet_base::quote::shown;
use keynet_base::{error_chain, pem};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Identity, Method, RequestBuilder, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

mod error;
mod props;
mod settings;

pub use error::{ApiError, ClientError, ServerMessage};
pub use settings::{ApiKey, ApiSettings, Overrides};

use crate::action::{ActionPut, StoredAction};
use crate::activation::Activation;
use crate::name::ActionName;
use crate::server_info::ServerInfo;

/// Time limit of a request. OpenWhisk answers a blocking invocation after 60 s at the latest.
const TIME: Duration = Duration::from_secs(90);
/// Time limit of uploading an action: 48 MB over a slow line.
const UPLOAD_TIME: Duration = Duration::from_secs(600);
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Largest response of `GET /`, in bytes.
const MAX_ABOUT: usize = 1 << 20;
/// Largest record in bytes: an activation with its result of 1 MB and logs of 10 MB, or an action
/// without its code.
const MAX_RECORD: usize = 32 << 20;
/// Largest response to creating an action, in bytes: its code, up to 48 MB in base64, is part of
/// it.
const MAX_ACTION: usize = 128 << 20;
/// Largest list in bytes: 200 activation records, each with a result of 1 MB, are smaller.
const MAX_LIST: usize = 256 << 20;
/// Largest number of entries of one list.
const PAGE: usize = 200;
/// Largest number of actions of a namespace that are listed.
const MAX_ACTIONS: usize = 10_000;
/// Largest length of the server's messages that are shown, in characters.
const MAX_SAID: usize = 1000;

/// Client of one OpenWhisk, with one key.
#[derive(Debug)]
pub struct Api {
    http: reqwest::Client,
    settings: ApiSettings,
}

/// Result of an invocation.
#[derive(Debug)]
pub enum Invocation {
    /// The activation ended, with success or failure.
    Ended(Box<Activation>),
    /// The activation succeeded with an array: OpenWhisk then returns only the array.
    Array {
        /// Id of the activation.
        id: Option<String>,
        /// Array as JSON text.
        result: String,
    },
    /// The activation with this id is still running.
    Goes(String),
}

struct HttpResponse {
    status: u16,
    activation: Option<String>,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    code: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    activation_id: String,
}

impl Api {
    /// Creates a client; it does not send a request.
    ///
    /// # Errors
    /// A file of certificates cannot be read.
    pub fn new(settings: ApiSettings) -> Result<Self, ClientError> {
        keynet_base::tls::install();
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none()) // the key is for this server alone
            .connect_timeout(CONNECT_TIME)
            .tls_danger_accept_invalid_certs(settings.insecure)
            .user_agent(concat!("keynet-inference/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca {
            builder = builder.tls_certs_merge(pem::certificates(path)?);
        }
        if let Some((certificate, key)) = &settings.identity {
            let mut bytes = std::fs::read(certificate).map_err(ClientError::read(certificate))?;
            bytes.push(b'\n');
            bytes.extend(std::fs::read(key).map_err(ClientError::read(key))?);
            let unusable = |source| ClientError::Identity { path: certificate.clone(), source };
            builder = builder.identity(Identity::from_pem(&bytes).map_err(unusable)?);
        }
        let http = builder.build().map_err(|error| ApiError::Unreachable {
            host: settings.host().to_owned(),
            why: error_chain::innermost(&error).to_string(),
        })?;
        Ok(Self { http, settings })
    }

    /// Returns the namespace of names without one.
    pub fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// Returns the URL of a web action.
    pub fn web_url(&self, action: &StoredAction) -> Url {
        let (namespace, package) =
            action.namespace.split_once('/').unwrap_or((&action.namespace, "default"));
        self.url(&["web", namespace, package, &action.name])
    }

    /// Returns the server's description of itself; empty if the server does not publish it.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn server_info(&self) -> Result<ServerInfo, ApiError> {
        // The root needs no key.
        let answer = self.send(self.http.get(self.settings.root.clone()), TIME, MAX_ABOUT).await?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    /// Returns an action, without its code.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] and others.
    pub async fn action(&self, name: &ActionName) -> Result<StoredAction, ApiError> {
        let mut url = self.action_url(name);
        url.set_query(Some("code=false"));
        let answer = self.send(self.authorized(Method::GET, url), TIME, MAX_RECORD).await?;
        self.read(answer, &format!("action {name}"))
    }

    /// Creates or updates an action.
    ///
    /// # Errors
    /// OpenWhisk rejects the request.
    pub async fn put_action(
        &self,
        name: &ActionName,
        body: &ActionPut,
    ) -> Result<StoredAction, ApiError> {
        let mut url = self.action_url(name);
        url.set_query(Some("overwrite=true"));
        let request = self.authorized(Method::PUT, url).json(body);
        let answer = self.send(request, UPLOAD_TIME, MAX_ACTION).await?;
        if answer.status == 200 && answer.body.is_empty() {
            return self.action(name).await; // as the operator may have it
        }
        let what = name.package.as_ref().map_or_else(
            || format!("namespace for {name}"),
            |package| format!("package {package}"),
        );
        self.read(answer, &what)
    }

    /// Deletes an action.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] and others.
    pub async fn delete_action(&self, name: &ActionName) -> Result<(), ApiError> {
        let answer = self
            .send(self.authorized(Method::DELETE, self.action_url(name)), TIME, MAX_RECORD)
            .await?;
        match answer.status {
            200 | 204 => Ok(()),
            _ => Err(self.refusal(answer, &format!("action {name}"))),
        }
    }

    /// Returns all actions of a namespace and its packages.
    ///
    /// # Errors
    /// The key has no permission for the namespace.
    pub async fn actions(&self, namespace: &str) -> Result<Vec<StoredAction>, ApiError> {
        let mut all: Vec<StoredAction> = Vec::new();
        loop {
            let mut url = self.url(&["namespaces", namespace, "actions"]);
            url.set_query(Some(&format!("limit={PAGE}&skip={}", all.len())));
            let answer = self.send(self.authorized(Method::GET, url), TIME, MAX_LIST).await?;
            let page: Vec<StoredAction> = self.read(answer, &format!("namespace {namespace}"))?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
            if all.len() >= MAX_ACTIONS {
                return Err(self.unexpected(
                    200,
                    format!("it lists more than {MAX_ACTIONS} actions in namespace {namespace}"),
                ));
            }
        }
    }

    /// Invokes an action; with `blocking` it waits up to a minute for the end.
    ///
    /// # Errors
    /// The action was not run. A failure of the action itself is not an error.
    pub async fn invoke(
        &self,
        name: &ActionName,
        parameters: &str,
        blocking: bool,
    ) -> Result<Invocation, ApiError> {
        let mut url = self.action_url(name);
        url.set_query(Some(&format!("blocking={blocking}&result=false")));
        let request = self
            .authorized(Method::POST, url)
            .header(CONTENT_TYPE, "application/json")
            .body(parameters.to_owned());
        let answer = self.send(request, TIME, MAX_RECORD).await?;
        match (answer.status, answer.body.trim_ascii_start().first()) {
            (202, _) => {
                Ok(Invocation::Goes(self.read::<Accepted>(answer, "answer")?.activation_id))
            }
            (200, Some(b'[')) => match String::from_utf8(answer.body) {
                Ok(result) => Ok(Invocation::Array { id: answer.activation, result }),
                Err(error) => Err(self.unexpected(200, error)),
            },
            // A failed action's record has no `code`, which every error response of the API has.
            (200 | 500 | 502, _) if serde_json::from_slice::<Activation>(&answer.body).is_ok() => {
                serde_json::from_slice(&answer.body)
                    .map(Invocation::Ended)
                    .map_err(|error| self.unexpected(answer.status, error))
            }
            _ => Err(self.refusal(answer, &format!("action {name}"))),
        }
    }

    /// Returns an activation's record.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] while it runs, and others.
    pub async fn activation(&self, id: &str) -> Result<Activation, ApiError> {
        let url = self.url(&["namespaces", self.namespace(), "activations", id]);
        let answer = self.send(self.authorized(Method::GET, url), TIME, MAX_RECORD).await?;
        self.read(answer, &format!("activation {id}"))
    }

    /// Returns the latest activations, newest first; optionally only those of one action and those
    /// since a time.
    ///
    /// # Errors
    /// The key has no permission for them.
    pub async fn activations(
        &self,
        action: Option<&ActionName>,
        since: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Activation>, ApiError> {
        let mut url = self.url(&["namespaces", self.namespace(), "activations"]);
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("limit", &limit.to_string())
                .append_pair("skip", "0")
                .append_pair("docs", "true");
            if let Some(action) = action {
                query.append_pair("name", &action.local());
            }
            if let Some(since) = since {
                query.append_pair("since", &since.to_string());
            }
        }
        let answer = self.send(self.authorized(Method::GET, url), TIME, MAX_LIST).await?;
        self.read(answer, &format!("namespace {}", self.namespace()))
    }

    fn action_url(&self, name: &ActionName) -> Url {
        let namespace = name.namespace.as_deref().unwrap_or(self.namespace());
        let mut parts = vec!["namespaces", namespace, "actions"];
        parts.extend(name.package.as_deref());
        parts.push(&name.name);
        self.url(&parts)
    }

    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.settings.root.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(parts);
        }
        url
    }

    fn authorized(&self, method: Method, url: Url) -> RequestBuilder {
        self.http
            .request(method, url)
            .basic_auth(self.settings.key.user(), Some(self.settings.key.password()))
    }

    /// Sends a request whose response has at most `limit` bytes.
    async fn send(
        &self,
        request: RequestBuilder,
        time: Duration,
        limit: usize,
    ) -> Result<HttpResponse, ApiError> {
        let failed = |error: reqwest::Error| self.no_answer(&error, time);
        let response = request.timeout(time).send().await.map_err(failed)?;
        let activation = response
            .headers()
            .get("x-openwhisk-activation-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let status = response.status().as_u16();
        check_headers(response.headers()).map_err(|large| self.unexpected(status, large))?;
        let url = response.url().clone();
        let body =
            read_whole(reqwest::Body::from(response), limit).await.map_err(
                |error| match error {
                    BodyError::Broken(error) => failed(error),
                    error => self.unexpected(status, error),
                },
            )?;
        tracing::debug!(status, bytes = body.len(), %url, "OpenWhisk answered");
        Ok(HttpResponse { status, activation, body })
    }

    fn read<T: DeserializeOwned>(&self, answer: HttpResponse, what: &str) -> Result<T, ApiError> {
        match answer.status {
            200..=299 => serde_json::from_slice(&answer.body)
                .map_err(|error| self.unexpected(answer.status, error)),
            _ => Err(self.refusal(answer, what)),
        }
    }

    /// Returns the error of an unsuccessful response. `what` is the entity that was requested.
    fn refusal(&self, answer: HttpResponse, what: &str) -> ApiError {
        let HttpResponse { status, body, .. } = answer;
        let host = self.settings.host().to_owned();
        if status == 401 {
            return ApiError::Key { host };
        }
        let Ok(Refusal { error: message, code }) = serde_json::from_slice(&body) else {
            let text = String::from_utf8_lossy(&body);
            let line =
                text.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing").trim();
            let why = format!("it says {:?}", line.chars().take(80).collect::<String>());
            return match status {
                // Response of a proxy in front of an OpenWhisk that is not running.
                413 => ApiError::TooLarge(ServerMessage { message: why, transaction: None }),
                502..=504 => ApiError::Failed {
                    status,
                    said: ServerMessage { message: why, transaction: None },
                },
                _ => ApiError::Unexpected { host, status, why },
            };
        };
        let transaction = match code {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let said = ServerMessage { message: message.chars().take(MAX_SAID).collect(), transaction };
        match status {
            403 => ApiError::Denied(said),
            404 => ApiError::NotFound(what.to_owned()),
            409 => ApiError::Conflict(said),
            413 => ApiError::TooLarge(said),
            429 => ApiError::Throttled(said),
            400..=499 => ApiError::Refused(said),
            500..=599 => ApiError::Failed { status, said },
            _ => ApiError::Unexpected { host, status, why: said.to_string() },
        }
    }

    fn unexpected(&self, status: u16, why: impl std::fmt::Display) -> ApiError {
        ApiError::Unexpected {
            host: self.settings.host().to_owned(),
            status,
            why: shown(&why.to_string()).to_string(),
        }
    }

    fn no_answer(&self, error: &reqwest::Error, time: Duration) -> ApiError {
        let host = self.settings.host().to_owned();
        let why = error_chain::innermost(error).to_string();
        if error.is_timeout() && !error.is_connect() {
            ApiError::Late { host, time }
        } else if error.is_connect() && why.contains("certificate") {
            ApiError::Certificate { host, why }
        } else {
            ApiError::Unreachable { host, why }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use keynet_test_servers::{Hostile, HostileServer};

    use super::*;

    fn api(host: &str) -> Api {
        let args = Overrides {
            api_host: Some(host.to_owned()),
            key: Some(keynet_base::config::Secret::new("user:key")),
            ..Overrides::default()
        };
        Api::new(ApiSettings::read(&args).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_late() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = api(&format!("http://{}", silent.local_addr().unwrap()));
        let time = Duration::from_millis(50);
        let request = api.authorized(Method::GET, api.url(&["namespaces"]));
        let error =
            api.send(request, time, MAX_RECORD).await.map(|answer| answer.status).unwrap_err();
        assert!(matches!(error, ApiError::Late { time: waited, .. } if waited == time), "{error}");
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_read_up_to_its_limit() {
        let server = HostileServer::start(|_| Hostile::endless("HTTP/1.1 200 OK", "{", " "));
        let error = api(&server.url()).server_info().await.unwrap_err().to_string();
        assert!(error.contains("longer than the 1048576 bytes"), "{error}");
        assert!(server.sent() <= 32 << 20, "{} bytes were sent", server.sent());
    }

    #[tokio::test]
    async fn a_namespace_without_an_end_is_not_listed() {
        let server = HostileServer::start(|_| {
            let page = [r#"{"namespace":"n","name":"a"}"#; PAGE].join(",");
            Hostile::answer("HTTP/1.1 200 OK", format!("[{page}]"))
        });
        let error = api(&server.url()).actions("n").await.unwrap_err().to_string();
        assert!(error.contains("more than 10000 actions in namespace n"), "{error}");
        assert_eq!(server.requests(), (MAX_ACTIONS / PAGE) as u64);
    }

    #[tokio::test]
    async fn what_cannot_be_understood_is_quoted_in_part() {
        let server = HostileServer::start(|_| {
            Hostile::answer("HTTP/1.1 200 OK", format!("\"{}\"", "x".repeat(1 << 20)))
        });
        let error = api(&server.url()).activation("0").await.unwrap_err().to_string();
        assert!(error.contains("xxx") && error.len() < 1000, "{} bytes", error.len());
    }

    #[test]
    fn names_are_encoded_in_paths() {
        let api = api("https://ow.example.com/gateway");
        let url = |name: &str| api.action_url(&name.parse().unwrap()).to_string();
        assert_eq!(
            url("hello"),
            "https://ow.example.com/gateway/api/v1/namespaces/_/actions/hello"
        );
        assert_eq!(
            url("/guest/pkg/a b@1"),
            "https://ow.example.com/gateway/api/v1/namespaces/guest/actions/pkg/a%20b@1"
        );
        let action: StoredAction =
            serde_json::from_str(r#"{"namespace":"guest/pkg","name":"a"}"#).unwrap();
        assert_eq!(
            api.web_url(&action).as_str(),
            "https://ow.example.com/gateway/api/v1/web/guest/pkg/a"
        );
    }

    #[test]
    fn statuses_are_told_apart() {
        let api = api("http://h");
        let refusal = |status, body: &str| {
            let answer = HttpResponse { status, activation: None, body: body.as_bytes().to_vec() };
            api.refusal(answer, "action a").kind()
        };
        let json = r#"{"error":"no","code":"1"}"#;
        let told =
            [400, 401, 403, 404, 405, 409, 413, 429, 500, 503].map(|status| refusal(status, json));
        assert_eq!(
            told,
            [
                "refused",
                "unauthorized",
                "denied",
                "not-found",
                "refused",
                "conflict",
                "too-large",
                "throttled",
                "failed",
                "failed"
            ]
        );
        assert_eq!(
            [refusal(404, "<html>"), refusal(502, "<html>"), refusal(413, ""), refusal(302, json)],
            ["unexpected", "failed", "too-large", "unexpected"]
        );
    }
}
