//! Signing in to the Keynet platform.

use std::path::PathBuf;

use keynet_base::config::Secret;

use super::client::Client;
use super::{PlatformError, ServerUrl};
use crate::account::{Expiry, Harbor, PlatformLogin};
use crate::ui::secrecy;

/// Signs in and returns the login to store.
///
/// # Errors
/// The server rejects the credentials, or cannot be reached.
pub async fn sign_in(
    server: &ServerUrl,
    username: &str,
    password: &Secret,
    authorities: &[PathBuf],
) -> Result<PlatformLogin, PlatformError> {
    let answer = Client::new(server, authorities)?.sign_in(username, password).await?;
    secrecy::remember(&answer.access_token, "TOKEN");
    if answer.access_token.is_empty() {
        return Err(PlatformError::Answer {
            server: server.to_string(),
            why: "there is no accessToken in it".to_owned(),
        });
    }
    let harbor = answer.harbor.map(|harbor| {
        secrecy::remember(&harbor.password, "PASSWORD");
        Harbor {
            url: harbor.url,
            username: harbor.username,
            password: Secret::new(harbor.password),
        }
    });
    Ok(PlatformLogin {
        server: server.as_str().to_owned(),
        username: username.to_owned(),
        token: Secret::new(answer.access_token),
        expires: answer
            .access_token_expires_at
            .filter(|text| !text.is_empty())
            .map(|text| Expiry::parse(&text)),
        harbor,
    })
}
