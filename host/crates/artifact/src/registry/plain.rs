//! Whether a registry is spoken to by https or by http.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::hosts::is_loopback;
use super::http::{Http, RegistryRequest};
use super::retry::Trouble;
use super::said::ErrorText;
use crate::error::{ArtifactError, Result};

/// The registry's root: https; on this machine, or where it is allowed, http when that is what is
/// spoken there.
pub(super) async fn find(http: &Http) -> Result<Url> {
    let (secure, plain) = (http.root("https")?, http.root("http")?);
    if is_loopback(&plain) {
        // Nobody is in between: it is found out by asking, plainly first, which is what most speak
        // here.
        return Ok(if speaks_plain(http, &plain, &secure).await? { plain } else { secure });
    }
    if !http.options.insecure {
        return Ok(secure);
    }
    match probe(http, &secure).await {
        Err(Trouble { not_tls: true, .. }) => Ok(plain),
        Err(Trouble { error: ArtifactError::Unreachable { .. }, .. })
            if probe(http, &plain).await.is_ok() =>
        {
            Ok(plain)
        }
        _ => Ok(secure),
    }
}

/// Servers that speak TLS say so when they are asked plainly, or hang up.
async fn speaks_plain(http: &Http, plain: &Url, secure: &Url) -> Result<bool> {
    match probe(http, plain).await {
        Ok(response) if response.status() == StatusCode::BAD_REQUEST => {
            Ok(!ErrorText::read(response, &[]).await.text.to_ascii_lowercase().contains("https"))
        }
        Ok(_) => Ok(true),
        Err(trouble) if trouble.refused => Err(trouble.error),
        // It answered plainly, if not as it should.
        Err(Trouble { error: ArtifactError::Protocol { .. }, .. }) => Ok(true),
        Err(_) => Ok(
            matches!(probe(http, secure).await, Err(Trouble { error, .. }) if !is_of_tls(&error)),
        ),
    }
}

/// A server that speaks TLS, though its certificate may be no good.
fn is_of_tls(error: &ArtifactError) -> bool {
    matches!(error, ArtifactError::Tls { why, .. } if !why.contains("does not speak TLS"))
}

async fn probe(http: &Http, root: &Url) -> Result<Response, Trouble> {
    let url = root
        .join("v2/")
        .map_err(|error| Trouble::for_good(http.protocol("say its version", &error.to_string())))?;
    let ask = RegistryRequest::new(Method::GET, url, "say its version", "");
    http.transmit(&ask, &ask.url, HeaderMap::new()).await
}
