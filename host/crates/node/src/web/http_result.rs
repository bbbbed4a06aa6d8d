//! Results that describe an HTTP response: `{ "statusCode": 200, "headers": {…}, "body": … }`.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, SERVER};
use serde_json::value::RawValue;

use super::accept::Accept;
use super::connection_headers::is_of_connection;
use super::error::WebError;
use super::json::{JsonType, each_member, fields, pretty, string, type_of};
use super::media_type::MediaType;
use super::response::{Content, WebResponse};

const INVALID: WebError = WebError::InvalidMedia("message/http");

/// Largest number of headers of a response, and of their bytes together. A response is held until
/// its caller has read it, and proxies accept no larger ones.
const MAX_HEADERS: usize = 256;
const MAX_BYTES: usize = 64 << 10;
/// Arrays within arrays of a header's values.
const MAX_NESTING: u8 = 4;

/// Header of the node's own; an action cannot forge it.
const ACTIVATION_ID: &str = "x-openwhisk-activation-id";

/// Accepts base64 as Java does, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Converts a result to the response that it describes.
///
/// # Errors
/// The result describes none, or one that the caller does not accept.
pub fn convert(result: &str, accept: &Accept) -> Result<WebResponse, WebError> {
    let [code, headers, body] = fields(result, ["statusCode", "headers", "body"]).ok_or(INVALID)?;
    let code = code.map(|code| status(code).ok_or(INVALID)).transpose()?;
    let headers = headers.map_or_else(|| Ok(Headers::default()), Headers::read)?;
    let content = body.map_or(Ok(None), |body| content(body, headers.content_type.as_deref()))?;
    let default = if content.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
    let status = code.unwrap_or(default);
    let response = WebResponse { headers: headers.others, ..WebResponse::empty(status) };
    match content {
        Some(content) => response.with(content, accept),
        None => Ok(response),
    }
}

/// Parses `statusCode`. A status below 200 is refused: after one the caller waits for another
/// response.
fn status(value: &str) -> Option<StatusCode> {
    let number = match type_of(value) {
        JsonType::Number => value.parse::<f64>().ok().filter(|number| number.fract() == 0.0)?,
        JsonType::Text => string(value)?.parse::<i32>().ok()?.into(),
        _ => return None,
    };
    let status = (200..=599).find(|status| f64::from(*status) == number)?;
    StatusCode::from_u16(status).ok()
}

/// Headers of a result.
#[derive(Default)]
struct Headers {
    /// First value of `content-type`.
    content_type: Option<String>,
    others: Vec<(HeaderName, HeaderValue)>,
    count: usize,
    bytes: usize,
}

impl Headers {
    fn read(value: &str) -> Result<Self, WebError> {
        let mut headers = Self::default();
        each_member(value, |name, value| headers.add(&name, value, MAX_NESTING))
            .map_err(|_| INVALID)?;
        Ok(headers)
    }

    /// Adds the values of a header: text, a number, a boolean, or an array of them.
    fn add(&mut self, name: &str, value: &str, nesting: u8) -> Result<(), NotAHeader> {
        let text = match type_of(value) {
            JsonType::Text => string(value).ok_or(NotAHeader)?,
            JsonType::Number | JsonType::Boolean => value.to_owned(),
            JsonType::Array => {
                let nesting = nesting.checked_sub(1).ok_or(NotAHeader)?;
                let values: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| NotAHeader)?;
                return values.iter().try_for_each(|value| self.add(name, value.get(), nesting));
            }
            JsonType::Object | JsonType::Null => return Err(NotAHeader),
        };
        self.count += 1;
        self.bytes += name.len() + text.len();
        if self.count > MAX_HEADERS || self.bytes > MAX_BYTES {
            return Err(NotAHeader);
        }
        self.push(name, text);
        Ok(())
    }

    /// Leaves out a header that is not valid, as Pekko HTTP does, and those that the node sets.
    fn push(&mut self, name: &str, text: String) {
        let Ok(name) = HeaderName::try_from(name) else { return };
        if name == CONTENT_TYPE {
            self.content_type.get_or_insert(text);
        } else if !is_of_connection(&name)
            && ![DATE, SERVER].contains(&name)
            && name != ACTIVATION_ID
        {
            self.others.extend(HeaderValue::try_from(text).ok().map(|value| (name, value)));
        }
    }
}

/// A value that is no header, or more than a response may have.
#[derive(Debug)]
struct NotAHeader;

impl fmt::Display for NotAHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a header")
    }
}

/// Returns the content of `body`; `None` for null and the empty text.
fn content(body: &str, content_type: Option<&str>) -> Result<Option<Content>, WebError> {
    match type_of(body) {
        JsonType::Null => Ok(None),
        JsonType::Text => {
            let text = string(body).ok_or(INVALID)?;
            if text.is_empty() { Ok(None) } else { from_text(text, content_type).map(Some) }
        }
        _ => from_json(body, content_type).map(Some),
    }
}

/// Converts a text: base64 if its media type is binary.
fn from_text(text: String, content_type: Option<&str>) -> Result<Content, WebError> {
    let media_type = MediaType::parse(content_type.unwrap_or(MediaType::HTML))
        .ok_or(WebError::UnknownContentType)?;
    // OpenWhisk decodes JSON that looks like base64, too: actions wrote it so before it was text.
    let is_base64 = media_type.is_binary() || media_type.is_json() && looks_like_base64(&text);
    let body = if is_base64 {
        BASE64.decode(text).map_err(|_| WebError::ContentTypeMismatch)?.into()
    } else {
        text.into()
    };
    Ok(Content { media_type, body })
}

/// Converts JSON other than a text.
fn from_json(body: &str, content_type: Option<&str>) -> Result<Content, WebError> {
    let media_type = MediaType::parse(content_type.unwrap_or(MediaType::JSON))
        .filter(MediaType::is_json)
        .ok_or(WebError::ContentTypeMismatch)?;
    Ok(Content::new(media_type.essence(), pretty(body)))
}

/// Reports whether a text is what OpenWhisk takes for base64 (`Exec.isBinaryCode`).
fn looks_like_base64(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}
