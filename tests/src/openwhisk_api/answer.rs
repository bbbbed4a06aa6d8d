//! Responses, and rejections with the texts of the controller and of its HTTP library.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// HTTP response.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// Returns a response with JSON on one line, as spray's `CompactPrinter` writes it.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// Returns a response with any bytes.
    pub fn bytes_of(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], body }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns the bytes to send. Each request has a connection of its own.
    pub(super) fn bytes(&self, transaction: &str) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nServer: stand-in\r\nX-Request-ID: \
            {transaction}\r\n",
            self.status,
            reason(self.status)
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len());
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Response of the form `{"error", "code"}` (ErrorResponse.scala).
#[derive(Debug)]
pub struct Rejection {
    status: u16,
    message: String,
    challenge: bool,
}

/// Result of a route.
pub type Routed = Result<Answer, Rejection>;

impl Rejection {
    /// Returns a rejection with any status and message.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), challenge: false }
    }

    /// Returns 400 for an invalid body.
    pub fn malformed(why: impl std::fmt::Display) -> Self {
        Self::new(400, format!("The request content was malformed:\n{why}"))
    }

    /// Returns 400 for an invalid query parameter.
    pub fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(400, format!("The query parameter '{name}' was malformed:\n{why}"))
    }

    /// Returns 404 for an entity.
    pub fn not_found() -> Self {
        Self::new(404, "The requested resource does not exist.")
    }

    /// Returns 404 for a path that no route matches.
    pub fn no_route() -> Self {
        Self::new(404, "The requested resource could not be found.")
    }

    /// Returns 405.
    pub fn method(allowed: &str) -> Self {
        Self::new(405, format!("HTTP method not allowed, supported methods: {allowed}"))
    }

    /// Returns 403.
    pub fn forbidden(what: &str) -> Self {
        Self::new(403, format!("The supplied authentication is not authorized to access '{what}'."))
    }

    /// Returns 401.
    pub fn unauthorized(supplied: bool) -> Self {
        let message = if supplied {
            "The supplied authentication is invalid"
        } else {
            "The resource requires authentication, which was not supplied with the request"
        };
        Self { status: 401, message: message.to_owned(), challenge: true }
    }

    pub(super) fn into_answer(self, transaction: &str) -> Answer {
        let answer =
            Answer::json(self.status, &json!({ "code": transaction, "error": self.message }));
        if self.challenge {
            answer.with("WWW-Authenticate", "Basic realm=\"OpenWhisk secure realm\"")
        } else {
            answer
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Other",
    }
}
