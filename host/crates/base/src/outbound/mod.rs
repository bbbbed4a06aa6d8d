//! HTTP clients of the host: for S3, for MLflow, and for the URLs that actions request.
//!
//! No client uses a proxy from the environment, follows redirects, keeps cookies or adds
//! credentials. An [`AddressPolicy`] restricts the addresses that a client may connect to.
//!
//! This module does not know protocols above HTTP, and it does not decide which servers may be
//! used.

pub mod address;
pub mod address_policy;
mod backoff;
mod body;
mod headers;
mod resolver;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use address_policy::{AddressPolicy, AddressRefused};
pub use backoff::Backoff;
pub use body::{BodyError, read_beginning, read_reserved, read_whole};
pub use headers::{LargeHeaders, check_headers};
use resolver::PolicyResolver;

use crate::error::{Error, Result};
use crate::{error_chain, pem};

/// Time limit for setting up a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Time for which an idle connection is kept. Servers close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(30);

/// Returns a client that connects to addresses that `policy` allows. With `ca`, a file of PEM
/// certificates, servers must be certified by one of these; without it, by one that this machine
/// trusts.
///
/// # Errors
/// `invalid`, for the operator: the file cannot be read or contains no certificate.
pub fn client(policy: &AddressPolicy, ca: Option<&Path>) -> Result<reqwest::Client> {
    match ca {
        Some(file) => made(builder(policy).tls_certs_only(authorities(file)?)),
        // A machine without CA certificates (an image built from scratch) can still connect to
        // servers without TLS.
        None => builder(policy).build().or_else(|error| {
            tracing::debug!(%error, "this machine has no CA certificates");
            without_tls(policy)
        }),
    }
}

/// Same as [`client`], for one server: if it does not use TLS, the machine's CA certificates are
/// not read, which saves time.
///
/// # Errors
/// Those of [`client`].
pub fn client_of(
    server: &Url,
    policy: &AddressPolicy,
    ca: Option<&Path>,
) -> Result<reqwest::Client> {
    if server.scheme() == "http" { without_tls(policy) } else { client(policy, ca) }
}

fn without_tls(policy: &AddressPolicy) -> Result<reqwest::Client> {
    made(builder(policy).tls_certs_only([]))
}

fn builder(policy: &AddressPolicy) -> reqwest::ClientBuilder {
    crate::tls::install();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .http1_only()
        .user_agent(concat!("keynet-inference/", env!("CARGO_PKG_VERSION")));
    within(builder, policy)
}

/// Makes a client resolve names within `policy`. The client must not use a proxy.
pub fn within(builder: reqwest::ClientBuilder, policy: &AddressPolicy) -> reqwest::ClientBuilder {
    match policy {
        AddressPolicy::Any => builder,
        policy => builder.dns_resolver(Arc::new(PolicyResolver(policy.clone()))),
    }
}

fn made(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| {
        Error::internal(format!("no HTTP client can be made: {}", root_cause(&error)))
    })
}

fn authorities(file: &Path) -> Result<Vec<reqwest::Certificate>> {
    pem::certificates(file).map_err(|error| {
        Error::invalid(format!("the CA certificates: {}", error_chain::joined(&error)))
    })
}

/// Returns the error of a request that got no response, without a URL.
pub fn unanswered(error: &(dyn std::error::Error + 'static)) -> Error {
    if let Some(refused) = error_chain::find::<AddressRefused>(error) {
        return refused.clone().into();
    }
    if let Some(io) = error_chain::find::<std::io::Error>(error) {
        return Error::unavailable(match io.kind() {
            std::io::ErrorKind::Other => root_cause(error),
            kind => kind.to_string(),
        });
    }
    Error::unavailable(root_cause(error))
}

/// Returns the text of the innermost cause, which contains no URL.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let innermost = error_chain::innermost(error);
    match innermost.downcast_ref::<reqwest::Error>() {
        // The text of such an error contains the URL.
        Some(_) => "the request failed".to_owned(),
        None => innermost.to_string(),
    }
}

/// Returns the first error of type `E` among `error` and its causes.
pub use error_chain::find as source_of;
