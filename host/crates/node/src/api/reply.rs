//! Responses and rejections.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use keynet_base::error::Error;
use keynet_base::redaction::redact;
use keynet_host::http::{HttpResponse, IntakeError};
use serde::Serialize;
use serde_json::json;

use crate::catalog::CatalogError;
use crate::entities::{EntityError, NameError};
use crate::invocation::{Refused, UnreadableRecord};
use crate::loading::LoadingError;
use crate::records::RecordsError;
use crate::tenants::TooManyRequests;
use crate::web::WebError;

/// Header with the id of the request.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Header with the id of the activation.
const ACTIVATION_ID: HeaderName = HeaderName::from_static("x-openwhisk-activation-id");

/// Maximum length in bytes of an error's message: some come from the caller.
const MAX_MESSAGE: usize = 16 << 10;

/// Response that is being made.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Reply {
    /// Returns a response with JSON.
    pub(super) fn json(body: &impl Serialize) -> Self {
        // Serialising values with text names cannot fail.
        Self::json_text(StatusCode::OK, serde_json::to_string(body).unwrap_or_default())
    }

    /// Returns a response with JSON text.
    pub(super) fn json_text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let kind = HeaderValue::from_static("application/json");
        Self { status, headers: vec![(CONTENT_TYPE, kind)], body: body.into() }
    }

    /// Returns a response with text.
    pub(super) fn text(body: &'static str) -> Self {
        let kind = HeaderValue::from_static("text/plain; charset=UTF-8");
        let body = Bytes::from_static(body.as_bytes());
        Self { status: StatusCode::OK, headers: vec![(CONTENT_TYPE, kind)], body }
    }

    /// Returns a response with any headers.
    pub(super) fn new(
        status: StatusCode,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Self {
        Self { status, headers, body }
    }

    /// Sets the status.
    #[must_use]
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Adds the id of the activation.
    #[must_use]
    pub(super) fn of_activation(mut self, id: &str) -> Self {
        if let Ok(id) = HeaderValue::from_str(id) {
            self.headers.push((ACTIVATION_ID, id));
        }
        self
    }

    /// Keeps reservations of memory until the body was sent: a client that does not read its response
    /// holds memory of its own namespace.
    #[must_use]
    pub(super) fn holding<T: Send + Sync + 'static>(mut self, held: T) -> Self {
        self.body = Bytes::from_owner(HeldBytes { bytes: self.body, _held: held });
        self
    }

    /// Adds headers.
    #[must_use]
    pub(super) fn with(mut self, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Returns the response to the request called `transaction`.
    pub(super) fn response(self, transaction: &str) -> HttpResponse {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        self.headers.into_iter().for_each(|(name, value)| {
            headers.append(name, value);
        });
        // Last: an action cannot set it.
        if let Ok(id) = HeaderValue::from_str(transaction) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }
}

/// Body with the memory that it takes.
struct HeldBytes<T> {
    bytes: Bytes,
    _held: T,
}

impl<T> AsRef<[u8]> for HeldBytes<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Response of the form `{"error", "code"}`.
#[derive(Debug, Clone)]
pub(super) struct Rejection {
    status: StatusCode,
    message: String,
    challenge: bool,
}

impl Rejection {
    pub(super) fn new(status: StatusCode, message: impl ToString) -> Self {
        Self { status, message: message.to_string(), challenge: false }
    }

    /// Returns 400.
    pub(super) fn bad(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Returns 400 for a body.
    pub(super) fn malformed(why: impl std::fmt::Display) -> Self {
        Self::bad(format_args!("The request content was malformed:\n{why}"))
    }

    /// Returns 400 for a parameter of the query.
    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad(format_args!("The query parameter '{name}' was malformed:\n{why}"))
    }

    /// Returns 404 for an entity.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "The requested resource does not exist.")
    }

    /// Returns 404 for a path without a route.
    pub(super) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "The requested resource could not be found.")
    }

    /// Returns 405.
    pub(super) fn method(allowed: &str) -> Self {
        let message = format!("HTTP method not allowed, supported methods: {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// Returns 409.
    pub(super) fn conflict(message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Returns 413 for a body of `size` bytes, of which `most` are allowed.
    pub(super) fn too_large(size: u64, most: usize) -> Self {
        let message = format!("Request larger than allowed: {size} > {most} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// Returns 503 for a node that shuts down.
    pub(super) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the node is shutting down")
    }

    /// Returns 501.
    pub(super) fn not_implemented(why: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, why)
    }

    /// Returns 403 for what the parts of `path` name.
    pub(super) fn forbidden(path: &[&[&str]]) -> Self {
        let what = path.concat().join("/");
        Self::new(
            StatusCode::FORBIDDEN,
            format_args!("The supplied authentication is not authorized to access '{what}'."),
        )
    }

    /// Returns 401; `supplied` is `true` if there was a key.
    pub(super) fn unauthorized(supplied: bool) -> Self {
        let message = if supplied {
            "The supplied authentication is invalid."
        } else {
            "The resource requires authentication, which was not supplied with the request"
        };
        Self { challenge: true, ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    /// Returns the response to the request called `transaction`.
    pub(super) fn reply(self, transaction: &str) -> Reply {
        let end = self.message.floor_char_boundary(MAX_MESSAGE);
        let message = redact(self.message.get(..end).unwrap_or_default());
        let body = json!({ "code": transaction, "error": message });
        let reply = Reply::json(&body).with_status(self.status);
        if self.challenge {
            let realm = HeaderValue::from_static("Basic realm=\"OpenWhisk secure realm\"");
            reply.with(vec![(WWW_AUTHENTICATE, realm)])
        } else {
            reply
        }
    }
}

/// Memory that cannot be reserved.
impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error.message)
    }
}

impl From<IntakeError> for Rejection {
    fn from(error: IntakeError) -> Self {
        Self::new(error.status(), error)
    }
}

impl From<EntityError> for Rejection {
    fn from(error: EntityError) -> Self {
        match error {
            EntityError::Invalid(why) => Self::bad(why),
            large @ EntityError::TooLarge { .. } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, large),
        }
    }
}

impl From<NameError> for Rejection {
    fn from(error: NameError) -> Self {
        Self::bad(error)
    }
}

impl From<LoadingError> for Rejection {
    fn from(error: LoadingError) -> Self {
        let status = match &error {
            LoadingError::NotGranted(_) | LoadingError::Unsigned => StatusCode::FORBIDDEN,
            LoadingError::Catalog(_) => StatusCode::INTERNAL_SERVER_ERROR,
            LoadingError::Removed => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error)
    }
}

impl From<CatalogError> for Rejection {
    fn from(error: CatalogError) -> Self {
        tracing::error!(%error, "a change cannot be stored");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the change cannot be stored: the node's disk or database fails",
        )
    }
}

impl From<RecordsError> for Rejection {
    fn from(error: RecordsError) -> Self {
        tracing::error!(%error, "activation records fail");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "activation records cannot be read or written: the node's disk or database fails",
        )
    }
}

impl From<UnreadableRecord> for Rejection {
    fn from(error: UnreadableRecord) -> Self {
        tracing::error!(%error, "an activation record cannot be read");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}

impl From<TooManyRequests> for Rejection {
    fn from(error: TooManyRequests) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error)
    }
}

impl From<Refused> for Rejection {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Records(error) => error.into(),
            limit => Self::new(StatusCode::TOO_MANY_REQUESTS, limit),
        }
    }
}

impl From<WebError> for Rejection {
    fn from(error: WebError) -> Self {
        let challenge = matches!(error, WebError::Unauthorized);
        Self { challenge, ..Self::new(error.status(), error) }
    }
}
