//! HTTP responses: JSON with a `content-length`, since OpenWhisk treats a response without one as
//! no response.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

pub(super) use crate::http::HttpResponse;

/// Error: `/init` had no code, and the image has none.
pub(super) const NO_CODE: &str = "Missing main/no code to execute.";

/// Error: `/init` was called a second time.
pub(super) const SECOND_INIT: &str = "Cannot initialize the action more than once.";

/// Error: `/run` was called before `/init` had finished.
pub(super) const NOT_INITIALIZED: &str = "no action defined yet";

/// Error: the action's result is neither an object nor an array.
pub(super) const NOT_JSON: &str = "The action did not return a dictionary or array.";

/// Error: the argument of `/run` is neither an object nor an array.
pub(super) const NO_ARGUMENT: &str = "The action did not receive a dictionary or array as an \
    argument.";

/// Error: the container was asked to stop; OpenWhisk sends the request to another one.
pub(super) const SHUTTING_DOWN: &str = "the container is shutting down";

/// Returns an action's result unchanged, or `{"ok":true}`.
pub(super) fn ok(json: impl Into<Bytes>) -> HttpResponse {
    with_status(StatusCode::OK, json.into())
}

/// Maximum size in bytes of an error's message. Some messages come from the action.
const MAX_MESSAGE: usize = 64 << 10;

/// Returns `{"error": message}` and nothing else: OpenWhisk shows the message to the user. Cuts a
/// long message.
pub(super) fn error(status: StatusCode, message: &str) -> HttpResponse {
    let json = match shortened(message) {
        None => json!({ "error": message }),
        Some(beginning) => {
            json!({ "error": format!("{beginning}… (cut; the message has {} bytes)", message.len()) })
        }
    };
    with_status(status, json.to_string().into())
}

/// Returns the beginning of a message that is too long; `None` if it is not.
pub(super) fn shortened(message: &str) -> Option<&str> {
    (message.len() > MAX_MESSAGE)
        .then(|| message.get(..message.floor_char_boundary(MAX_MESSAGE)).unwrap_or_default())
}

fn with_status(status: StatusCode, json: Bytes) -> HttpResponse {
    let mut answer = Response::new(Full::new(json));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::*;

    #[test]
    fn a_message_of_many_megabytes_is_cut() {
        let answer = error(StatusCode::BAD_GATEWAY, &"é".repeat(30 << 20));
        let length = answer.body().size_hint().exact().unwrap();
        assert!((64 << 10..65 << 10).contains(&length), "{length}");
    }

    #[test]
    fn every_answer_has_a_known_length() {
        let answer = error(StatusCode::BAD_GATEWAY, "the \"reason\"");
        assert_eq!(answer.status(), 502);
        assert_eq!(
            answer.body().size_hint().exact(),
            Some(r#"{"error":"the \"reason\""}"#.len() as u64)
        );
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    }
}
