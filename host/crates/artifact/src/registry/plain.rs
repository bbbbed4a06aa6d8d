//! Choice between https and http for a registry.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::hosts::is_loopback;
use super::http::{Http, RegistryRequest};
use super::retry::Trouble;
use super::said::ErrorText;
use crate::error::{ArtifactError, Result};

/// Returns the registry's root: https; for this machine, or where it is allowed, http if the
/// registry speaks that.
pub(super) async fn find(http: &Http) -> Result<Url> {
    let (secure, plain) = (http.root("https")?, http.root("http")?);
    if is_loopback(&plain) {
        // Loopback has no attacker in between: probe the registry, first over http, which is the
        // usual case here.
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

/// Reports whether the server speaks plain HTTP. A server that speaks TLS rejects a plain request
/// with a message, or closes the connection.
async fn speaks_plain(http: &Http, plain: &Url, secure: &Url) -> Result<bool> {
    match probe(http, plain).await {
        Ok(response) if response.status() == StatusCode::BAD_REQUEST => {
            Ok(!ErrorText::read(response, &[]).await.text.to_ascii_lowercase().contains("https"))
        }
        Ok(_) => Ok(true),
        Err(trouble) if trouble.refused => Err(trouble.error),
        // The server answered over plain HTTP, even if the answer is not valid.
        Err(Trouble { error: ArtifactError::Protocol { .. }, .. }) => Ok(true),
        Err(_) => Ok(
            matches!(probe(http, secure).await, Err(Trouble { error, .. }) if !is_of_tls(&error)),
        ),
    }
}

/// Reports whether the server speaks TLS, even if its certificate is not valid.
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
