//! Objects at http(s) URLs: read from whatever server they name, within what the policy grants, and
//! never with a credential.
//!
//! Every URL on the way, the first and each that an answer redirects to, is checked: its host is
//! one that [`UrlRules`] grant, and it is connected to only at a public address, unless the rules
//! allow private ones. URLs of the configured store itself ([`OwnServer`]) are read wherever it is;
//! they are anonymous too, so that what they allow is what their own signature allows.
//!
//! Nothing is sent but GET: a presigned URL allows no other method. What an object is like is
//! learnt by asking for its first byte, and a part of it by a range; a server that knows no ranges
//! sends everything, and what was not asked for is thrown away. Bytes come as they are stored:
//! nothing is decompressed.

mod body;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::location::Location;
use super::{ObjectInfo, ReadBytes, StorageLimits};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};
use keynet_base::granted::Granted;
use keynet_base::outbound::{self, AddressPolicy};
use request::Fetched;

/// Whose URLs may be read.
#[derive(Debug, Clone, Default)]
pub struct UrlRules {
    /// The hosts that are granted; none for all.
    pub hosts: Option<Granted>,
    /// Whether they may be at addresses that are not public.
    pub private_addresses: bool,
}

/// Which URLs are the configured store's, and what it means by its errors.
pub trait OwnUrls: fmt::Debug + Send + Sync {
    /// Whether `url` is one of them.
    fn serves(&self, url: &Url) -> bool;

    /// The words of an error that it answered with.
    fn refused(&self, body: &str) -> Option<String>;
}

/// The configured store, as a server of URLs.
#[derive(Debug, Clone)]
pub struct OwnServer {
    /// Its URLs.
    pub store: Arc<dyn OwnUrls>,
    /// What it is reached by, whatever its address and its certificate.
    pub client: reqwest::Client,
}

/// Reads URLs. Cheap to clone; clients are made when they are first needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetcher(Arc<Clients>);

#[derive(Debug, Default)]
struct Clients {
    own: Option<OwnServer>,
    global: OnceLock<Result<reqwest::Client>>,
    anywhere: OnceLock<Result<reqwest::Client>>,
}

impl Fetcher {
    /// One that also reads the URLs of `own`.
    pub(super) fn beside(own: OwnServer) -> Self {
        Self(Arc::new(Clients { own: Some(own), ..Clients::default() }))
    }

    /// Reads the whole object.
    ///
    /// # Errors
    /// `denied`: a host or address that is not granted. `not-found`, `unavailable`;
    /// `precondition-failed`: its etag still is `if_none_match`; `too-large`.
    pub(super) async fn get(
        &self,
        url: &Url,
        if_none_match: Option<&str>,
        rules: &UrlRules,
        limits: &StorageLimits,
        budget: &CallBudget,
    ) -> Result<ReadBytes> {
        let mut headers = HeaderMap::new();
        if let Some(etag) = if_none_match {
            headers.insert(IF_NONE_MATCH, header(etag)?);
        }
        let found = self.request(url, headers, rules, budget).await?;
        let label = label(url);
        match found.status() {
            StatusCode::OK => body::whole(found.response, &label, limits, budget).await,
            StatusCode::NOT_MODIFIED => Err(Error::precondition_failed(format!(
                "`{label}` still has the etag given: it did not change"
            ))),
            _ => Err(found.refused(&label).await),
        }
    }

    /// Looks the object up, to read parts of it.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(super) async fn open(
        &self,
        url: &Url,
        rules: &UrlRules,
        budget: &CallBudget,
    ) -> Result<(OpenUrl, ObjectInfo)> {
        let found = self
            .request(
                url,
                HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-0"))]),
                rules,
                budget,
            )
            .await?;
        let label = label(url);
        let size = match found.status() {
            StatusCode::PARTIAL_CONTENT => {
                body::range_of(found.response.headers()).map(|(_, size)| size)
            }
            // An empty object has no first byte.
            StatusCode::RANGE_NOT_SATISFIABLE => {
                body::size_without_range(found.response.headers()).filter(|size| *size == 0)
            }
            StatusCode::OK => body::length_of(&found.response),
            _ => return Err(found.refused(&label).await),
        };
        let size = size.ok_or_else(|| {
            Error::unavailable(format!(
                "`{label}` can only be read as a whole: its server does not say how large it is"
            ))
        })?;
        let headers = found.response.headers();
        let info = ObjectInfo {
            location: Location::Url(url.clone()),
            size,
            content_type: text(headers, CONTENT_TYPE),
            etag: text(headers, ETAG),
            modified_ms: text(headers, LAST_MODIFIED).and_then(|text| milliseconds(&text)),
        };
        Ok((OpenUrl { fetcher: self.clone(), url: url.clone(), rules: rules.clone() }, info))
    }

    async fn request(
        &self,
        url: &Url,
        headers: HeaderMap,
        rules: &UrlRules,
        budget: &CallBudget,
    ) -> Result<Fetched<'_>> {
        request::follow(self, url, headers, rules, budget.deadline).await
    }

    /// What `url` may be asked by, and whether it is the store's own.
    fn client(&self, url: &Url, rules: &UrlRules) -> Result<(reqwest::Client, Option<&OwnServer>)> {
        if let Some(own) = self.0.own.as_ref().filter(|own| own.store.serves(url)) {
            return Ok((own.client.clone(), Some(own)));
        }
        if let Some(hosts) = &rules.hosts {
            hosts.check("reading from the host", url.host_str().unwrap_or_default())?;
        }
        let (addresses, client) = match rules.private_addresses {
            true => (AddressPolicy::Any, &self.0.anywhere),
            false => (AddressPolicy::public(), &self.0.global),
        };
        addresses.check(url)?;
        Ok((client.get_or_init(|| outbound::client(&addresses, None)).clone()?, None))
    }
}

/// A URL that was looked up, to read parts of what is there.
#[derive(Debug, Clone)]
pub(super) struct OpenUrl {
    fetcher: Fetcher,
    url: Url,
    rules: UrlRules,
}

impl OpenUrl {
    /// Reads a part, not empty and within its size, of the content that `info` tells of.
    ///
    /// # Errors
    /// As [`Fetcher::get`]; `precondition-failed`: it is another content.
    pub(super) async fn read(
        &self,
        range: Range<u64>,
        info: &ObjectInfo,
        budget: &CallBudget,
    ) -> Result<ReadBytes> {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let headers = HeaderMap::from_iter([(RANGE, header(&asked)?)]);
        let found = self.fetcher.request(&self.url, headers, &self.rules, budget).await?;
        let label = label(&self.url);
        let headers = found.response.headers();
        let replaced = || {
            Error::precondition_failed(format!(
                "`{label}` is not what it was when it was opened: it was replaced"
            ))
        };
        let size = match found.status() {
            StatusCode::PARTIAL_CONTENT => match body::range_of(headers) {
                Some((sent, size)) if sent == range || size != info.size => Some(size),
                _ => {
                    return Err(Error::unavailable(format!(
                        "the server of `{label}` sent another part than it was asked for"
                    )));
                }
            },
            StatusCode::OK => body::length_of(&found.response),
            StatusCode::RANGE_NOT_SATISFIABLE => return Err(replaced()),
            _ => return Err(found.refused(&label).await),
        };
        if size.is_some_and(|size| size != info.size) || text(headers, ETAG) != info.etag {
            return Err(replaced());
        }
        let skipped = if found.status() == StatusCode::OK { range.start } else { 0 };
        body::part(found.response, skipped, range.end - range.start, &label, budget).await
    }
}

fn label(url: &Url) -> String {
    Location::Url(url.clone()).label()
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn header(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| Error::invalid(error.to_string()))
}

/// The date of a header, in milliseconds since 1970.
fn milliseconds(date: &str) -> Option<u64> {
    u64::try_from(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis()).ok()
}
