//! Bearer tokens: requested from the token server that the registry names, and cached until they
//! expire.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/> and, for identity tokens,
//! `…/spec/auth/oauth/`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;

use super::http::{Body, Http, RegistryRequest, SmallAnswerError, basic, read_small};
use super::retry::Trouble;
use super::said::ErrorText;
use super::{hosts, realm};
use crate::credential::Credential;
use crate::error::ArtifactError;
use keynet_base::quote;

/// Margin before a token's expiry within which it is not used.
const MARGIN: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);
const LIMIT: usize = 256 << 10;

/// Tokens of one registry and one credential, by scope.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Token>>);

#[derive(Clone)]
struct Token {
    text: String,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Token server of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenServer {
    pub(super) realm: Url,
    pub(super) service: Option<String>,
}

impl Tokens {
    /// Returns a token for `scope` that is valid for at least [`MARGIN`].
    pub(super) async fn get(
        &self,
        http: &Http,
        server: &TokenServer,
        scope: &str,
    ) -> Result<String, Trouble> {
        let kept = self.0.lock().ok().and_then(|tokens| tokens.get(scope).cloned());
        match kept.filter(|token| token.until > Instant::now()) {
            Some(token) => Ok(token.text),
            None => self.renew(http, server, scope, None).await,
        }
    }

    /// Requests a new token for `scope` and for the scope in the registry's challenge.
    pub(super) async fn renew(
        &self,
        http: &Http,
        server: &TokenServer,
        scope: &str,
        more: Option<&str>,
    ) -> Result<String, Trouble> {
        let more = more
            .into_iter()
            .flat_map(|more| more.split(' '))
            .filter(|more| !scope.split(' ').any(|scope| scope == *more));
        let scopes: Vec<_> = scope.split(' ').chain(more).collect();
        let token = fetch(http, server, &scopes).await?;
        let text = token.text.clone();
        if let Ok(mut tokens) = self.0.lock() {
            tokens.insert(scope.to_owned(), token);
        }
        Ok(text)
    }

    /// Returns all tokens, so that they can be redacted.
    pub(super) fn secrets(&self) -> Vec<String> {
        self.0
            .lock()
            .map(|tokens| tokens.values().map(|token| token.text.clone()).collect())
            .unwrap_or_default()
    }
}

async fn fetch(http: &Http, server: &TokenServer, scopes: &[&str]) -> Result<Token, Trouble> {
    let credential = http.credential().await;
    check(http, server, credential.is_some()).await.map_err(Trouble::for_good)?;
    let action = format!("get a token for {}", http.repository);
    let mut headers = HeaderMap::new();
    let service = server.service.as_deref().map(|service| ("service", service));
    let ask = if let Some(Credential::IdentityToken(token)) = credential {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", token.expose());
        form.append_pair("client_id", "keynet-inference")
            .extend_pairs(service)
            .append_pair("scope", &scopes.join(" "));
        RegistryRequest::new(Method::POST, server.realm.clone(), action, "")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::Bytes(form.finish().into()))
    } else {
        let mut url = server.realm.clone();
        url.query_pairs_mut().extend_pairs(service).extend_pairs(
            scopes.iter().filter(|scope| !scope.is_empty()).map(|scope| ("scope", scope)),
        );
        if let Some(Credential::Basic { username, password }) = credential {
            headers.insert(header::AUTHORIZATION, basic(username, password.expose(), &http.host)?);
        }
        RegistryRequest::new(Method::GET, url, action, "")
    };
    let ask = RegistryRequest { patience: PATIENCE, ..ask };
    let response = http.transmit(&ask, &ask.url, headers).await?;
    if response.status() != StatusCode::OK {
        return Err(http.refuse(&ask, ErrorText::read(response, &http.secrets()).await, None));
    }
    let answer = read(http, server, response).await?;
    let Some(text) = answer.access_token.or(answer.token).filter(|text| !text.is_empty()) else {
        return Err(Trouble::for_good(
            http.protocol(&ask.action, "the token server answered without a token"),
        ));
    };
    // The default is 60 seconds, as in the specification.
    let lifetime = Duration::from_secs(answer.expires_in.unwrap_or(60).min(86_400));
    Ok(Token { text, until: Instant::now() + lifetime.saturating_sub(MARGIN) })
}

/// Checks that the token server may be used: with credentials (`shows`) it must belong to the
/// registry or be listed.
async fn check(http: &Http, server: &TokenServer, shows: bool) -> Result<(), ArtifactError> {
    hosts::check(&server.realm, &http.options.addresses)?;
    let registry = http.base().await?;
    let rules =
        realm::Rules { listed: &http.options.token_realms, insecure: http.options.insecure, shows };
    realm::check(&server.realm, registry, &rules).map_err(|why| {
        let mut shown = server.realm.clone();
        shown.set_query(None);
        let _ = (shown.set_username(""), shown.set_password(None));
        ArtifactError::Realm {
            host: http.host.clone(),
            realm: quote::shown(shown.as_str()).to_string(),
            realm_host: hosts::host_of(&server.realm),
            why,
        }
    })
}

async fn read(
    http: &Http,
    server: &TokenServer,
    response: reqwest::Response,
) -> Result<TokenResponse, Trouble> {
    let wrong = |why: &str| Trouble::for_good(http.protocol("get a token", why));
    let body = read_small(response, &hosts::host_of(&server.realm), LIMIT, PATIENCE)
        .await
        .map_err(|error| match error {
            SmallAnswerError::TooLong => wrong(&format!(
                "the token server's answer is longer than the {LIMIT} bytes that are accepted"
            )),
            SmallAnswerError::Other(trouble) => trouble,
        })?;
    serde_json::from_slice(&body).map_err(|_| wrong("the token server's answer is no JSON"))
}
