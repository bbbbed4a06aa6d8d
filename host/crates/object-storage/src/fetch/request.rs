//! One GET request and its redirects.

use std::time::Instant;

use http::header::{ACCEPT_ENCODING, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;
use url::Url;

use super::{Fetcher, OwnServer, UrlRules, label};
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::outbound::{Backoff, check_headers, read_beginning, unanswered};

/// About as many as browsers follow.
const MAX_REDIRECTS: u32 = 10;

/// Bytes of an error response that are read.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// Response that is not a redirect.
pub(super) struct Fetched<'a> {
    pub(super) response: Response,
    own: Option<&'a OwnServer>,
}

impl Fetched<'_> {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the response as an error. Only the configured store's own error message is passed
    /// on.
    pub(super) async fn refused(self, label: &str) -> Error {
        let status = self.status();
        let words = match self.own {
            Some(own) => {
                let body =
                    read_beginning(reqwest::Body::from(self.response), MAX_ERROR_BYTES).await;
                own.store.refused(&String::from_utf8_lossy(&body))
            }
            None => None,
        };
        let said = words.unwrap_or_else(|| status.to_string());
        let kind = match status.as_u16() {
            401 | 403 => ErrorKind::Denied,
            404 | 410 => {
                return Error::not_found(format!(
                    "there is nothing at `{label}`: its server answered {said}"
                ));
            }
            412 => ErrorKind::PreconditionFailed,
            408 | 425 | 429 | 500.. => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        Error { kind, message: format!("`{label}` cannot be read: its server answered {said}") }
    }
}

/// Requests `url` and follows its redirects.
pub(super) async fn follow<'a>(
    fetcher: &'a Fetcher,
    url: &Url,
    mut headers: HeaderMap,
    rules: &UrlRules,
    deadline: Instant,
) -> Result<Fetched<'a>> {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut at = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let (client, own) = fetcher.client(&at, rules)?;
        let response = ask(&client, &at, &headers, deadline).await?;
        check_headers(response.headers()).map_err(|large| {
            Error::too_large(format!("`{}` cannot be read: {large}", label(&at)))
        })?;
        if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(Fetched { response, own });
        }
        at = next(&at, &response)?;
    }
    Err(Error::invalid(format!(
        "`{}` leads from one URL to the next more than {MAX_REDIRECTS} times",
        label(url)
    )))
}

/// Returns the target of a redirect.
fn next(at: &Url, response: &Response) -> Result<Url> {
    let refuse = |why: &str| {
        Err(Error::invalid(format!("`{}` leads {why}, which is not followed", label(at))))
    };
    let Some(to) = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()) else {
        return refuse("elsewhere without saying where");
    };
    let Ok(mut to) = at.join(to) else { return refuse("to what is no URL") };
    to.set_fragment(None);
    match (at.scheme(), to.scheme()) {
        _ if !to.username().is_empty() || to.password().is_some() => {
            refuse("to a URL with a user or a password")
        }
        ("https", "http") => refuse("from https to http"),
        (_, "http" | "https") => Ok(to),
        _ => refuse("to a URL that is not http or https"),
    }
}

async fn ask(
    client: &reqwest::Client,
    url: &Url,
    headers: &HeaderMap,
    deadline: Instant,
) -> Result<Response> {
    let mut backoff = Backoff::until(deadline);
    loop {
        let answer = client.get(url.clone()).headers(headers.clone()).send().await;
        let again = match &answer {
            Ok(response) => matches!(response.status().as_u16(), 429 | 502..=504),
            Err(error) => !error.is_builder() && unanswered(error).kind == ErrorKind::Unavailable,
        };
        if again && backoff.again().await {
            continue;
        }
        return answer.map_err(|error| {
            let why = unanswered(&error);
            match why.kind {
                ErrorKind::Denied => why,
                kind => Error {
                    kind,
                    message: format!("`{}` cannot be read: {}", label(url), why.message),
                },
            }
        });
    }
}
