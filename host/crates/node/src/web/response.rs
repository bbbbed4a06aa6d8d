//! Responses: the result of an activation in the format that the extension names.

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::accept::Accept;
use super::error::WebError;
use super::http_result;
use super::json::{JsonType, fields, pretty, string, type_of};
use super::media_type::MediaType;
use super::target::Extension;

/// Kind of end that an activation had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has a result.
    Success,
    /// Its result is an object with `error`.
    ApplicationError,
    /// The action or the node failed.
    Failure,
}

/// Response to a web request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebResponse {
    /// Status: 200 to 599.
    pub status: StatusCode,
    /// Headers; none is about the connection or the length of the body.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body. It is sent to a HEAD request too: hyper keeps its length and leaves it out.
    pub body: Bytes,
}

impl WebResponse {
    /// Returns a response without a body and headers.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Sets the body and its type. A status that allows no body remains without one.
    ///
    /// # Errors
    /// The caller does not accept the type; a response that is an error is sent nevertheless.
    pub(super) fn with(mut self, content: Content, accept: &Accept) -> Result<Self, WebError> {
        let content_type = content.media_type.content_type();
        let is_error = self.status.is_client_error() || self.status.is_server_error();
        if !is_error && !accept.accepts(&content.media_type) {
            return Err(WebError::NotAcceptable(content_type));
        }
        let bodiless =
            [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
        if !bodiless.contains(&self.status) {
            let value =
                HeaderValue::from_str(&content_type).map_err(|_| WebError::UnknownContentType)?;
            self.headers.push((CONTENT_TYPE, value));
            self.body = content.body;
        }
        Ok(self)
    }
}

/// Body with its type.
#[derive(Debug)]
pub(super) struct Content {
    pub media_type: MediaType,
    pub body: Bytes,
}

impl Content {
    pub fn new(media_type: &str, body: String) -> Self {
        Self { media_type: MediaType::of(media_type), body: body.into() }
    }
}

/// Converts the result of an activation. `result` is JSON; for an application error it is the
/// object with `error`, the value of which is converted.
///
/// # Errors
/// The result does not fit the extension, or the caller's `accept` excludes its type.
pub fn respond(
    outcome: Outcome,
    result: &str,
    extension: Extension,
    accept: &Accept,
) -> Result<WebResponse, WebError> {
    let result = match outcome {
        Outcome::Success => result,
        Outcome::ApplicationError => {
            fields(result, ["error"]).and_then(|[error]| error).ok_or(WebError::PropertyNotFound)?
        }
        Outcome::Failure => return Err(WebError::ActivationFailed),
    };
    let content = match extension {
        Extension::Http => return http_result::convert(result, accept),
        Extension::Json => as_json(result)?,
        Extension::Html => as_markup(result, "html", MediaType::HTML)?,
        Extension::Svg => as_markup(result, "svg", MediaType::SVG)?,
        Extension::Text => as_text(result)?,
    };
    WebResponse::empty(StatusCode::OK).with(content, accept)
}

fn as_json(result: &str) -> Result<Content, WebError> {
    match type_of(result) {
        JsonType::Object | JsonType::Array => Ok(Content::new(MediaType::JSON, pretty(result))),
        _ => Err(WebError::InvalidMedia(MediaType::JSON)),
    }
}

fn as_markup(result: &str, field: &str, kind: &'static str) -> Result<Content, WebError> {
    let value = projected(result, field);
    let text = value.and_then(string).ok_or(WebError::InvalidMedia(kind))?;
    Ok(Content::new(kind, text))
}

fn as_text(result: &str) -> Result<Content, WebError> {
    let value = projected(result, "text").ok_or(WebError::PropertyNotFound)?;
    let text = match type_of(value) {
        JsonType::Object | JsonType::Array => pretty(value),
        JsonType::Text => string(value).ok_or(WebError::InvalidMedia(MediaType::TEXT))?,
        JsonType::Number | JsonType::Boolean | JsonType::Null => value.trim().to_owned(),
    };
    Ok(Content::new(MediaType::TEXT, text))
}

/// Returns `body`, else `field`, of an object; any other result is returned whole.
fn projected<'a>(result: &'a str, field: &str) -> Option<&'a str> {
    if type_of(result) != JsonType::Object {
        return Some(result);
    }
    let [body, named] = fields(result, ["body", field])?;
    body.or(named)
}
