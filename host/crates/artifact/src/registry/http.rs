//! HTTP access to one registry: authentication, redirects that are checked one by one, and retries.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OnceCell;
use url::Url;

use super::body::Piece;
use super::challenge::Challenge;
use super::clients::Clients;
use super::hosts::{self, host_of, is_loopback};
use super::parts::Parts;
use super::retry::{Trouble, Waits, retry_after};
use super::said::ErrorText;
use super::token::{TokenServer, Tokens};
use crate::credential::Credential;
use crate::error::{ArtifactError, Result};
use crate::options::RegistryOptions;
use keynet_base::outbound::{BodyError, check_headers, read_whole};
use keynet_base::quote::shown;

/// Longest time without any traffic on a connection.
const STALL: Duration = Duration::from_secs(60);
const REDIRECTS: usize = 5;

/// Longest time for a response that is read whole: a manifest, a list of tags, a token.
pub(super) const WHOLE: Duration = Duration::from_secs(120);

/// Error of reading a small response.
pub(super) enum SmallAnswerError {
    /// The response is longer than its limit.
    TooLong,
    Other(Trouble),
}

/// Request to a registry.
#[derive(Clone)]
pub(super) struct RegistryRequest {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Body,
    /// Operation, as it reads after «does not allow to»: `push team/name`.
    pub(super) action: String,
    /// Scope of the token that it needs: `repository:team/name:pull`; several are separated by
    /// spaces.
    pub(super) scope: String,
    /// Time to wait for a response while nothing is transferred.
    pub(super) patience: Duration,
}

/// Body of a request.
#[derive(Clone)]
pub(super) enum Body {
    None,
    Bytes(Bytes),
    Piece(Piece),
}

impl RegistryRequest {
    pub(super) fn new(
        method: Method,
        url: Url,
        action: impl Into<String>,
        scope: impl Into<String>,
    ) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            body: Body::None,
            action: action.into(),
            scope: scope.into(),
            patience: STALL,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// Authentication scheme of the registry, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scheme {
    Unknown,
    Basic,
    Tokens(TokenServer),
    /// The bearer token that was configured for the registry.
    Given,
}

/// Client of a registry for one repository: credentials and tokens are those for this repository.
pub(super) struct Http {
    /// `host` or `host:port`.
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) options: RegistryOptions,
    pub(super) answered: AtomicBool,
    pub(super) parts: Parts,
    clients: Clients,
    base: OnceCell<Url>,
    credential: OnceCell<Option<Credential>>,
    /// Reason why a credential could not be looked up: a helper is missing, a file is damaged.
    not_found: OnceLock<String>,
    scheme: Mutex<Scheme>,
    tokens: Tokens,
}

impl Http {
    pub(super) fn new(host: &str, repository: &str, options: &RegistryOptions) -> Result<Self> {
        let http = Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            options: options.clone(),
            answered: AtomicBool::new(false),
            parts: Parts::new(options.chunk),
            clients: Clients::new(options)?,
            base: OnceCell::new(),
            credential: OnceCell::new(),
            not_found: OnceLock::new(),
            scheme: Mutex::new(Scheme::Unknown),
            tokens: Tokens::default(),
        };
        hosts::check(&http.root("https")?, &options.addresses)?;
        Ok(http)
    }

    /// Returns the registry's root: https, or http if that is allowed and is what the registry
    /// speaks.
    pub(super) async fn base(&self) -> Result<&Url> {
        self.base.get_or_try_init(|| super::plain::find(self)).await
    }

    pub(super) fn root(&self, scheme: &str) -> Result<Url> {
        // Docker Hub's API has another host name.
        let host = if matches!(self.host.as_str(), "docker.io" | "index.docker.io") {
            "registry-1.docker.io"
        } else {
            &self.host
        };
        let root = Url::parse(&format!("{scheme}://{host}/"));
        root.map_err(|error| ArtifactError::Reference {
            text: self.host.clone(),
            why: error.to_string(),
        })
    }

    /// Returns the URL of `path` below `v2/REPOSITORY/`.
    pub(super) async fn url(&self, path: &str) -> Result<Url> {
        let path = format!("v2/{}/{path}", self.repository);
        self.base()
            .await?
            .join(&path)
            .map_err(|error| self.protocol("be asked", &error.to_string()))
    }

    /// Sends a request, with retries, and returns the registry's response unless it is 401, 403,
    /// 408, 429 or 5xx.
    pub(super) async fn ask(&self, ask: &RegistryRequest) -> Result<Response> {
        let mut waits = Waits::new(&self.options);
        loop {
            match self.ask_once(ask).await {
                Ok(response) => return Ok(response),
                Err(trouble) => waits.after(trouble).await?,
            }
        }
    }

    /// Same as [`Http::ask`], without retries. A request that the registry rejects for lack of
    /// authentication is sent again if there is a credential or token to add.
    pub(super) async fn ask_once(&self, ask: &RegistryRequest) -> Result<Response, Trouble> {
        let mut convinced = false;
        loop {
            let authorization = self.authorization(ask).await?;
            let shown = authorization.is_some();
            let response = self.follow(ask, authorization).await?;
            if response.status() == StatusCode::UNAUTHORIZED
                && !convinced
                && self.learn(ask, response.headers(), shown).await?
            {
                convinced = true;
                continue;
            }
            return match response.status() {
                StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS => Err(self.refusal(ask, response).await),
                status if status.is_server_error() => Err(self.refusal(ask, response).await),
                _ => Ok(response),
            };
        }
    }

    /// Returns the `Authorization` header for the registry's scheme.
    async fn authorization(&self, ask: &RegistryRequest) -> Result<Option<HeaderValue>, Trouble> {
        let scheme = self.scheme.lock().map_or(Scheme::Unknown, |scheme| scheme.clone());
        Ok(match (scheme, self.credential.get()) {
            (Scheme::Basic, Some(Some(Credential::Basic { username, password }))) => {
                Some(basic(username, password.expose(), &self.host)?)
            }
            (Scheme::Given, Some(Some(Credential::Bearer(token)))) => {
                Some(bearer(token.expose(), &self.host)?)
            }
            (Scheme::Tokens(server), _) => {
                Some(bearer(&self.tokens.get(self, &server, &ask.scope).await?, &self.host)?)
            }
            _ => None,
        })
    }

    /// Reads the authentication scheme from a 401 response. Returns false if there is no further
    /// credential to send.
    async fn learn(
        &self,
        ask: &RegistryRequest,
        headers: &HeaderMap,
        shown: bool,
    ) -> Result<bool, Trouble> {
        let values = headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let challenges: Vec<_> = values.flat_map(Challenge::parse).collect();
        let offered = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let scheme = match (self.credential().await, offered("bearer"), offered("basic")) {
            (Some(Credential::Bearer(_)), _, _) if !shown => Scheme::Given,
            (Some(Credential::Bearer(_)), _, _) => return Ok(false),
            (_, Some(challenge), _) => {
                let realm = challenge.get("realm").and_then(|realm| Url::parse(realm).ok());
                let realm = realm.ok_or_else(|| {
                    Trouble::for_good(
                        self.protocol(&ask.action, "it asks for a token but not of whom"),
                    )
                })?;
                let server =
                    TokenServer { realm, service: challenge.get("service").map(str::to_owned) };
                self.tokens.renew(self, &server, &ask.scope, challenge.get("scope")).await?;
                Scheme::Tokens(server)
            }
            (Some(Credential::Basic { .. }), None, Some(_)) if !shown => Scheme::Basic,
            _ => return Ok(false),
        };
        if let Ok(mut known) = self.scheme.lock() {
            *known = scheme;
        }
        Ok(true)
    }

    /// Returns the credential to send; it is looked up when the registry asks for one for the first
    /// time. If the lookup fails, the request is sent without one: anonymous access needs no
    /// working credential helper. The reason is part of the error if the registry then rejects the
    /// request.
    pub(super) async fn credential(&self) -> Option<&Credential> {
        let found = self.credential.get_or_init(|| async {
            let (source, host, repository) =
                (self.options.credentials.clone(), self.host.clone(), self.repository.clone());
            let found = tokio::task::spawn_blocking(move || source.find(&host, &repository)).await;
            let why = match found {
                Ok(Ok(found)) => return found,
                Ok(Err(ArtifactError::Credentials { why, .. })) => why,
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::warn!(
                host = self.host,
                why,
                "no credentials are sent: those of this host cannot be read"
            );
            let _ = self.not_found.set(why);
            None
        });
        found.await.as_ref()
    }

    /// Returns everything that must not be shown.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.tokens.secrets();
        if let Some(Some(credential)) = self.credential.get() {
            let (Credential::Basic { password: secret, .. }
            | Credential::IdentityToken(secret)
            | Credential::Bearer(secret)) = credential;
            secrets.push(secret.expose().to_owned());
        }
        secrets
    }

    /// Sends a request and, if it only reads, follows redirects. Credentials and tokens are sent to
    /// the registry only.
    async fn follow(
        &self,
        ask: &RegistryRequest,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, Trouble> {
        let base = self.base().await.map_err(Trouble::for_good)?;
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS {
            let mut headers = HeaderMap::new();
            if let Some(authorization) =
                authorization.clone().filter(|_| url.origin() == base.origin())
            {
                headers.insert(header::AUTHORIZATION, authorization);
            }
            let response = self.transmit(ask, &url, headers).await?;
            let location = response
                .headers()
                .get(header::LOCATION)
                .and_then(|location| location.to_str().ok());
            let (true, Some(location)) =
                (ask.method == Method::GET && response.status().is_redirection(), location)
            else {
                return Ok(response);
            };
            let next = url.join(location).map_err(|error| {
                Trouble::for_good(self.protocol(&ask.action, &error.to_string()))
            })?;
            self.may_go(base, &next).map_err(Trouble::for_good)?;
            url = next;
        }
        Err(Trouble::for_good(self.protocol(&ask.action, "it redirects too often")))
    }

    /// Checks that the registry may redirect to `url`.
    pub(super) fn may_go(&self, base: &Url, url: &Url) -> Result<()> {
        let refused = |why: &str| {
            Err(ArtifactError::Host {
                host: host_of(url),
                why: format!("{} leads there, {why}", self.host),
            })
        };
        if url.origin() == base.origin() {
            return Ok(());
        }
        if is_loopback(url) && !is_loopback(base) {
            return refused("but it is this machine");
        }
        if url.scheme() != "https"
            && !(url.scheme() == "http" && (is_loopback(url) || self.options.insecure))
        {
            return refused("but not by https");
        }
        hosts::check(url, &self.options.addresses)
    }

    /// Sends a request to `url` as it is.
    pub(super) async fn transmit(
        &self,
        ask: &RegistryRequest,
        url: &Url,
        mut headers: HeaderMap,
    ) -> Result<Response, Trouble> {
        let to = host_of(url);
        for (name, value) in &ask.headers {
            let value = HeaderValue::from_str(value).map_err(|error| {
                Trouble::for_good(self.protocol(&ask.action, &error.to_string()))
            })?;
            headers.insert(name, value);
        }
        let moved = Arc::new(AtomicU64::new(0));
        let mut request = self
            .clients
            .get(url)
            .map_err(Trouble::for_good)?
            .request(ask.method.clone(), url.clone())
            .headers(headers);
        request = match &ask.body {
            Body::None if matches!(ask.method, Method::GET | Method::HEAD) => request,
            Body::None => request.header(header::CONTENT_LENGTH, 0),
            Body::Bytes(bytes) => request.body(bytes.clone()),
            Body::Piece(piece) => {
                let body = piece.stream(moved.clone()).await.map_err(Trouble::for_good)?;
                request.header(header::CONTENT_LENGTH, piece.length).body(body)
            }
        };
        let mut sending = std::pin::pin!(request.send());
        let mut before = 0;
        loop {
            match tokio::time::timeout(ask.patience, &mut sending).await {
                Ok(Ok(response)) => {
                    self.answered.store(true, Ordering::Relaxed);
                    check_headers(response.headers()).map_err(|large| {
                        let (action, said) = (ask.action.clone(), large.to_string());
                        Trouble::for_good(ArtifactError::Protocol { host: to, action, said })
                    })?;
                    return Ok(response);
                }
                Ok(Err(error)) => {
                    return Err(Trouble::of_connection(
                        error,
                        &to,
                        self.answered.load(Ordering::Relaxed),
                    ));
                }
                Err(_) if moved.load(Ordering::Relaxed) == before => {
                    return Err(stalled(&to, ask.patience));
                }
                Err(_) => before = moved.load(Ordering::Relaxed),
            }
        }
    }

    /// Returns the next bytes of a response.
    pub(super) async fn next_piece(
        &self,
        response: &mut Response,
    ) -> Result<Option<Bytes>, Trouble> {
        match tokio::time::timeout(STALL, response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(Trouble::of_connection(error, &self.host, true)),
            Err(_) => Err(stalled(&self.host, STALL)),
        }
    }

    /// Returns the error for an unsuccessful response.
    pub(super) async fn refusal(&self, ask: &RegistryRequest, response: Response) -> Trouble {
        let wait = retry_after(&response);
        self.refuse(ask, ErrorText::read(response, &self.secrets()).await, wait)
    }

    pub(super) fn refuse(
        &self,
        ask: &RegistryRequest,
        said: ErrorText,
        wait: Option<Duration>,
    ) -> Trouble {
        let (host, action) = (self.host.clone(), ask.action.clone());
        let sent = matches!(self.credential.get(), Some(Some(_)));
        if let (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(why)) =
            (said.status, self.not_found.get())
        {
            let why = format!(
                "{why}; without them {host} rejected the request to {action}: {}",
                said.text
            );
            return Trouble::for_good(ArtifactError::Credentials { host, why });
        }
        match said.status {
            StatusCode::UNAUTHORIZED => Trouble::for_good(ArtifactError::Unauthorized {
                host,
                action,
                sent,
                said: said.text,
            }),
            StatusCode::FORBIDDEN => {
                Trouble::for_good(ArtifactError::Denied { host, action, sent, said: said.text })
            }
            StatusCode::TOO_MANY_REQUESTS => {
                Trouble::for_now(ArtifactError::TooManyRequests { host, said: said.text }, wait)
            }
            StatusCode::REQUEST_TIMEOUT => {
                Trouble::for_now(ArtifactError::Unreachable { host, why: said.text }, wait)
            }
            status if status.is_server_error() => {
                let again = matches!(status.as_u16(), 500 | 502 | 503 | 504);
                let error =
                    ArtifactError::Server { host, status: status.as_u16(), said: said.text };
                Trouble { again, ..Trouble::for_now(error, wait) }
            }
            status if status.is_client_error() => Trouble::for_good(ArtifactError::Refused {
                host,
                action,
                status: status.as_u16(),
                said: said.text,
            }),
            status => Trouble::for_good(ArtifactError::Protocol {
                host,
                action,
                said: format!("{} ({})", said.text, status.as_u16()),
            }),
        }
    }

    pub(super) fn protocol(&self, action: &str, said: &str) -> ArtifactError {
        ArtifactError::Protocol {
            host: self.host.clone(),
            action: action.to_owned(),
            said: shown(said).to_string(),
        }
    }
}

/// Reads a small response of `host` whole: at most `limit` bytes, within `time`.
pub(super) async fn read_small(
    response: Response,
    host: &str,
    limit: usize,
    time: Duration,
) -> Result<Vec<u8>, SmallAnswerError> {
    match tokio::time::timeout(time, read_whole(reqwest::Body::from(response), limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(BodyError::Broken(error))) => {
            Err(SmallAnswerError::Other(Trouble::of_connection(error, host, true)))
        }
        Ok(Err(_)) => Err(SmallAnswerError::TooLong),
        Err(_) => {
            let why = format!("its answer was not complete after {} s", time.as_secs());
            Err(SmallAnswerError::Other(Trouble::for_now(
                ArtifactError::Unreachable { host: host.to_owned(), why },
                None,
            )))
        }
    }
}

fn stalled(host: &str, patience: Duration) -> Trouble {
    let why = format!("nothing came for {} s", patience.as_secs());
    Trouble::for_now(ArtifactError::Unreachable { host: host.to_owned(), why }, None)
}

pub(super) fn basic(username: &str, password: &str, host: &str) -> Result<HeaderValue, Trouble> {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
    secret_header(&format!("Basic {text}"), host)
}

fn bearer(token: &str, host: &str) -> Result<HeaderValue, Trouble> {
    secret_header(&format!("Bearer {token}"), host)
}

fn secret_header(text: &str, host: &str) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let why = "they hold characters that cannot be sent".to_owned();
        Trouble::for_good(ArtifactError::Credentials { host: host.to_owned(), why })
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use keynet_test_servers::{Hostile, HostileServer};

    use super::*;

    #[tokio::test]
    async fn an_answer_that_comes_byte_by_byte_is_given_up() {
        keynet_base::tls::install();
        let every = Duration::from_millis(20);
        let server = HostileServer::start(move |_| Hostile::Drip {
            head: "HTTP/1.1 200 OK".to_owned(),
            every,
        });
        let response = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .get(server.url())
            .send()
            .await
            .unwrap();
        let answer = read_small(response, "h", 1 << 20, Duration::from_millis(300)).await;
        let Err(SmallAnswerError::Other(trouble)) = answer else { panic!() };
        assert!(trouble.error.to_string().contains("not complete"), "{}", trouble.error);
        assert!(server.sent() > 0);
    }
}
