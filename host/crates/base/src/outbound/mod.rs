//! HTTP clients of the host: for S3, for MLflow, and for the URLs that actions read.
//!
//! None of them takes a proxy from the environment, follows a redirect, keeps cookies or sends a
//! credential of its own. A [`Reach`] says which addresses a client may connect to; it is checked
//! on the addresses that are really connected to, so that a name cannot mean one thing when it is
//! checked and another when it is used.
//!
//! What this room does not do: it knows no protocol above HTTP, and it does not decide who may be
//! asked.

pub mod address;
mod backoff;
mod body;
mod headers;
mod resolver;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::tls::Certificate;
use url::{Host, Url};

pub use backoff::Backoff;
pub use body::{BodyError, read_beginning, read_reserved, read_whole};
pub use headers::{LargeHeaders, check_headers};
use resolver::{GlobalResolver, NotAllowed, SystemResolver};

use crate::error::{Error, Result};
use crate::outbound::address::is_global;

/// How long setting up a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection that nobody uses is kept. Servers close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(30);

/// The addresses that a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// All of them: for servers that the operator named.
    Anywhere,
    /// Only those that are global unicast, as `address` has it: for servers that somebody else
    /// named.
    GlobalOnly,
}

impl Reach {
    /// Refuses a URL whose host is an address that may not be connected to. Host names are checked
    /// when they are resolved.
    ///
    /// # Errors
    /// `denied`, naming the address; `invalid`: no host.
    pub fn check(self, url: &Url) -> Result<()> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Error::invalid("the URL names no host")),
        };
        match self {
            Self::GlobalOnly if !is_global(address) => Err(not_allowed(&address.to_string())),
            _ => Ok(()),
        }
    }
}

fn not_allowed(host: &str) -> Error {
    Error::denied(format!(
        "{host} is not a public address, and only those may be connected to: the operator's policy \
            can allow others (private-addresses)"
    ))
}

/// A client that connects to what `reach` allows. With `ca`, a file of PEM certificates, servers
/// must be certified by one of these; without, by one that this machine trusts.
///
/// # Errors
/// `invalid`, for the operator: the file cannot be read or holds no certificate.
pub fn client(reach: Reach, ca: Option<&Path>) -> Result<reqwest::Client> {
    match ca {
        Some(file) => made(builder(reach).tls_certs_only(certificates(file)?)),
        // A machine that trusts nobody (an image made from nothing) can still talk to servers
        // without TLS.
        None => builder(reach).build().or_else(|error| {
            tracing::debug!(%error, "this machine has no CA certificates");
            without_tls(reach)
        }),
    }
}

/// As [`client`], for one server: where it does without TLS, what this machine trusts is not even
/// read, which takes a while.
///
/// # Errors
/// As [`client`].
pub fn client_of(server: &Url, reach: Reach, ca: Option<&Path>) -> Result<reqwest::Client> {
    if server.scheme() == "http" { without_tls(reach) } else { client(reach, ca) }
}

fn without_tls(reach: Reach) -> Result<reqwest::Client> {
    made(builder(reach).tls_certs_only([]))
}

fn builder(reach: Reach) -> reqwest::ClientBuilder {
    crate::tls::install();
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .http1_only()
        .user_agent(concat!("keynet-inference/", env!("CARGO_PKG_VERSION")));
    match reach {
        Reach::Anywhere => builder,
        Reach::GlobalOnly => builder.dns_resolver(Arc::new(GlobalResolver::new(SystemResolver))),
    }
}

fn made(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| {
        Error::internal(format!("no HTTP client can be made: {}", root_cause(&error)))
    })
}

fn certificates(file: &Path) -> Result<Vec<Certificate>> {
    let wrong =
        |why: String| Error::invalid(format!("the CA certificates in {}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(root_cause(&error)))?;
    if found.is_empty() {
        Err(wrong("there is none: PEM is expected".to_owned()))
    } else {
        Ok(found)
    }
}

/// Why a request got no answer, in our words: which of ours it was, or the innermost reason.
pub fn unanswered(error: &(dyn std::error::Error + 'static)) -> Error {
    if let Some(NotAllowed(host)) = source_of(error) {
        return not_allowed(host);
    }
    if let Some(io) = source_of::<std::io::Error>(error) {
        return Error::unavailable(match io.kind() {
            std::io::ErrorKind::Other => root_cause(error),
            kind => kind.to_string(),
        });
    }
    Error::unavailable(root_cause(error))
}

/// The innermost reason of an error, which names no URL.
pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<reqwest::Error>() {
        // It shows the URL it was for.
        Some(_) => "the request failed".to_owned(),
        None => innermost.to_string(),
    }
}

/// The first error of a kind in a chain of sources.
pub fn source_of<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
