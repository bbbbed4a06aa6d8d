//! Errors of web actions, in OpenWhisk's words (its `Messages`, and the texts of Pekko HTTP).

use hyper::StatusCode;

/// Reason why a request to a web action, or its result, has no regular response.
///
/// OpenWhisk sends the text as `error` of a JSON object, with the transaction's id as `code`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The path names no web action. A private action and one that does not exist look alike.
    #[error("The requested resource does not exist.")]
    NotFound,
    /// The path or the query has a `%` that two hexadecimal digits do not follow.
    #[error("Illegal request-URI: Invalid percent-encoding in the {0}")]
    MalformedTarget(&'static str),
    /// The method is none that web actions have.
    #[error(
        "HTTP method not allowed, supported methods: GET, DELETE, POST, PUT, HEAD, OPTIONS, PATCH"
    )]
    MethodNotAllowed,
    /// `require-whisk-auth` is not satisfied.
    #[error("The resource requires authentication, which was not supplied with the request")]
    Unauthorized,
    /// A parameter is reserved, or `final` protects it.
    #[error("Request defines parameters that are not allowed (e.g., reserved properties).")]
    ParametersNotAllowed,
    /// The body is not of its content type.
    #[error("The request content was malformed:\n{0}")]
    MalformedContent(String),
    /// The result has not the field that the extension or the activation's status asks for.
    #[error("Response does not include requested property.")]
    PropertyNotFound,
    /// The result cannot be of the extension's media type.
    #[error("Response is not valid '{0}'.")]
    InvalidMedia(&'static str),
    /// The action's `content-type` is no media type.
    #[error("Response did not specify a known content-type.")]
    UnknownContentType,
    /// The action's `body` is not of its `content-type`.
    #[error("Response type in header did not match generated content type.")]
    ContentTypeMismatch,
    /// The caller's `Accept` excludes the response's content type.
    #[error("Resource representation is only available with these types:\n{0}")]
    NotAcceptable(String),
    /// The activation failed.
    #[error("There was an error processing your request.")]
    ActivationFailed,
    /// The activation runs for longer than a blocking request waits.
    #[error("Response not yet ready.")]
    NotReady,
}

impl WebError {
    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::PropertyNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::NotReady => StatusCode::ACCEPTED,
            Self::MalformedTarget(_)
            | Self::ParametersNotAllowed
            | Self::MalformedContent(_)
            | Self::InvalidMedia(_)
            | Self::UnknownContentType
            | Self::ContentTypeMismatch
            | Self::ActivationFailed => StatusCode::BAD_REQUEST,
        }
    }
}
