//! Answers, and rejections in the words of the controller and of the HTTP library below it.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// An HTTP answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// JSON on one line, as spray's `CompactPrinter` has it.
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.to_string().into_bytes(),
        }
    }

    /// Any bytes.
    pub fn bytes_of(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), content_type.into())], body }
    }

    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What goes over the wire. Each request has a connection of its own.
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

/// What is answered with `{"error", "code"}` (ErrorResponse.scala).
#[derive(Debug)]
pub struct Rejection {
    status: u16,
    message: String,
    challenge: bool,
}

/// What a route comes to.
pub type Routed = Result<Answer, Rejection>;

impl Rejection {
    /// Any.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), challenge: false }
    }

    /// 400: the body is not what it must be.
    pub fn malformed(why: impl std::fmt::Display) -> Self {
        Self::new(400, format!("The request content was malformed:\n{why}"))
    }

    /// 400: a query parameter.
    pub fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(400, format!("The query parameter '{name}' was malformed:\n{why}"))
    }

    /// 404 of an entity.
    pub fn not_found() -> Self {
        Self::new(404, "The requested resource does not exist.")
    }

    /// 404 of a path that no route matches.
    pub fn no_route() -> Self {
        Self::new(404, "The requested resource could not be found.")
    }

    /// 405.
    pub fn method(allowed: &str) -> Self {
        Self::new(405, format!("HTTP method not allowed, supported methods: {allowed}"))
    }

    /// 403.
    pub fn forbidden(what: &str) -> Self {
        Self::new(403, format!("The supplied authentication is not authorized to access '{what}'."))
    }

    /// 401.
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
