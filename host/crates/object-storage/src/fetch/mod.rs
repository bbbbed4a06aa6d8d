//! Objects at http(s) URLs: read from any server that the policy grants, and never with a
//! credential.
//!
//! Every URL that is requested, the first one and each redirect, is checked: [`UrlRules`] must
//! grant its host, and a connection is made only to a public address, unless the rules allow
//! private ones. URLs of the configured store itself ([`OwnServer`]) are read at any address; these
//! requests are anonymous too, so that a URL permits only what its own signature permits.
//!
//! Only GET is sent, because a presigned URL permits no other method. The metadata of an object is
//! read by requesting its first byte, and a part of it by requesting a range; a server without
//! range support sends everything, and the bytes outside the range are discarded. Bytes are
//! returned as they are stored: nothing is decompressed.

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

/// Rules for the URLs that may be read.
#[derive(Debug, Clone, Default)]
pub struct UrlRules {
    /// Hosts that are granted; `None` grants all.
    pub hosts: Option<Granted>,
    /// Allows these hosts to be at addresses that are not public.
    pub private_addresses: bool,
}

/// Recognises the URLs of the configured store and reads its error responses.
pub trait OwnUrls: fmt::Debug + Send + Sync {
    /// Reports whether `url` is served by the store.
    fn serves(&self, url: &Url) -> bool;

    /// Returns the message of an error response of the store.
    fn refused(&self, body: &str) -> Option<String>;
}

/// Configured store, as a server of URLs.
#[derive(Debug, Clone)]
pub struct OwnServer {
    /// Recognises the URLs of the store.
    pub store: Arc<dyn OwnUrls>,
    /// Client for these URLs. It accepts the store's address and certificate, whatever they are.
    pub client: reqwest::Client,
}

/// Reader of URLs. Cheap to clone; clients are created when they are first needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetcher(Arc<Clients>);

#[derive(Debug, Default)]
struct Clients {
    own: Option<OwnServer>,
    global: OnceLock<Result<reqwest::Client>>,
    anywhere: OnceLock<Result<reqwest::Client>>,
}

impl Fetcher {
    /// Creates a fetcher that also reads the URLs of `own`.
    pub(super) fn beside(own: OwnServer) -> Self {
        Self(Arc::new(Clients { own: Some(own), ..Clients::default() }))
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// `denied`: a host or address that is not granted. `not-found`, `unavailable`.
    /// `precondition-failed`: the etag still is `if_none_match`. `too-large`.
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

    /// Requests the metadata of an object, to read parts of it later.
    ///
    /// # Errors
    /// The same as for [`Self::get`].
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

    /// Returns the client for `url`, and the configured store if `url` is one of its own.
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

/// URL whose metadata was read, to read parts of the object.
#[derive(Debug, Clone)]
pub(super) struct OpenUrl {
    fetcher: Fetcher,
    url: Url,
    rules: UrlRules,
}

impl OpenUrl {
    /// Reads a range, not empty and within the object's size, of the content that `info` describes.
    ///
    /// # Errors
    /// The same as for [`Fetcher::get`]; `precondition-failed`: the content was replaced.
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

/// Converts the date of a header to milliseconds since 1970-01-01 UTC.
fn milliseconds(date: &str) -> Option<u64> {
    u64::try_from(chrono::DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis()).ok()
}
