//! Annotations of an action that make it a web action and protect it.

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use keynet_openwhisk_api::KeyValue;

use super::error::WebError;
use super::response::WebResponse;

/// Header with the secret of an action whose `require-whisk-auth` is a text or a number.
const REQUIRE_WHISK_AUTH: &str = "x-require-whisk-auth";

/// What `require-whisk-auth` asks for.
enum Requirement {
    Nothing,
    /// A key of OpenWhisk.
    Key,
    /// Hash of the value of [`REQUIRE_WHISK_AUTH`].
    Secret(blake3::Hash),
    /// The annotation has a value without a meaning: no request is allowed.
    Impossible,
}

/// Annotations of an action, as far as web requests depend on them. A value that is not of its type
/// counts as absent.
pub struct WebAnnotations {
    /// `web-export`: the action is a web action.
    pub web_export: bool,
    /// `raw-http`: query and body are passed as they are.
    pub raw_http: bool,
    /// `final`: a request cannot replace the action's parameters.
    pub final_parameters: bool,
    /// `web-custom-options`: the action itself responds to OPTIONS and sets the headers of CORS.
    pub custom_options: bool,
    requirement: Requirement,
}

impl WebAnnotations {
    /// Reads the annotations of an action; of a name that occurs several times, the last.
    pub fn read(annotations: &[KeyValue]) -> Self {
        let value = |name: &str| {
            annotations.iter().rfind(|annotation| annotation.key == name).map(|it| it.value.get())
        };
        let is = |name: &str| value(name).is_some_and(|value| value == "true");
        Self {
            web_export: is("web-export"),
            raw_http: is("raw-http"),
            final_parameters: is("final"),
            custom_options: is("web-custom-options"),
            requirement: value("require-whisk-auth").map_or(Requirement::Nothing, requirement),
        }
    }

    /// Returns the response to an OPTIONS request that the action does not handle. It needs no
    /// authorization. [`cors_headers`](super::cors_headers) belong to it.
    pub fn answer_options(&self, method: &Method) -> Option<WebResponse> {
        (method == Method::OPTIONS && !self.custom_options)
            .then(|| WebResponse::empty(StatusCode::OK))
    }

    /// Checks `require-whisk-auth`. The time it takes does not depend on the secret. An OPTIONS
    /// request always passes, so that a browser's preflight succeeds.
    ///
    /// # Errors
    /// [`WebError::Unauthorized`] if the request has not what the annotation asks for.
    pub fn authorize(
        &self,
        method: &Method,
        headers: &HeaderMap,
        is_authenticated: bool,
    ) -> Result<(), WebError> {
        let allowed = match &self.requirement {
            Requirement::Nothing => true,
            Requirement::Key => is_authenticated,
            // Hashes are compared in constant time.
            Requirement::Secret(secret) => headers
                .get(REQUIRE_WHISK_AUTH)
                .is_some_and(|value| blake3::hash(value.as_bytes()) == *secret),
            Requirement::Impossible => false,
        };
        if allowed || method == Method::OPTIONS { Ok(()) } else { Err(WebError::Unauthorized) }
    }
}

/// Parses the JSON value of `require-whisk-auth`.
fn requirement(value: &str) -> Requirement {
    match value {
        "true" => Requirement::Key,
        "false" => Requirement::Nothing,
        number if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            Requirement::Secret(blake3::hash(number.as_bytes()))
        }
        text => serde_json::from_str::<String>(text).map_or(Requirement::Impossible, |secret| {
            Requirement::Secret(blake3::hash(secret.as_bytes()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::annotated;
    use super::*;

    #[test]
    fn a_secured_action_is_run_for_those_who_show_its_secret_or_a_key() {
        for (required, shown, is_authenticated, allowed) in [
            (None, None, false, true),
            (Some(json!(false)), None, false, true),
            (Some(json!(true)), None, false, false),
            (Some(json!(true)), Some("true"), false, false),
            (Some(json!(true)), None, true, true),
            (Some(json!("secret")), Some("secret"), false, true),
            (Some(json!("secret")), Some("Secret"), false, false),
            (Some(json!("secret")), Some("secret2"), false, false),
            (Some(json!("secret")), Some(""), false, false),
            (Some(json!("secret")), None, true, false),
            (Some(json!("\u{e9}\"")), Some("\u{e9}\""), false, true),
            (Some(json!(4711)), Some("4711"), false, true),
            (Some(json!(4711)), Some("4711.0"), false, false),
            (Some(json!(9_007_199_254_740_993_u64)), Some("9007199254740993"), false, true),
            (Some(Value::Null), None, true, false),
            (Some(json!({})), Some("{}"), true, false),
            (Some(json!(["secret"])), Some("secret"), true, false),
        ] {
            let annotations =
                required.as_ref().map_or(json!({}), |value| json!({ "require-whisk-auth": value }));
            let annotations = annotated(&annotations);
            let mut headers = HeaderMap::new();
            if let Some(shown) = shown {
                headers.insert("X-Require-Whisk-Auth", shown.parse().unwrap());
            }
            let result = annotations.authorize(&Method::GET, &headers, is_authenticated);
            assert_eq!(result.is_ok(), allowed, "{required:?} {shown:?}");
            assert!(result.err().is_none_or(|error| error.status() == 401));
            let preflight = annotations.authorize(&Method::OPTIONS, &headers, is_authenticated);
            assert_eq!(preflight, Ok(()));
        }
    }

    #[test]
    fn only_true_is_true() {
        let flags = |value: &Value| {
            let annotations = annotated(&json!({
                "web-export": value, "raw-http": value, "final": value, "web-custom-options": value,
            }));
            [
                annotations.web_export,
                annotations.raw_http,
                annotations.final_parameters,
                annotations.custom_options,
            ]
        };
        assert_eq!(flags(&json!(true)), [true; 4]);
        for value in [json!(false), json!("true"), json!(1), Value::Null, json!([true])] {
            assert_eq!(flags(&value), [false; 4], "{value}");
        }
    }

    #[test]
    fn options_are_answered_unless_the_action_does_it() {
        let plain = annotated(&json!({ "web-export": true, "require-whisk-auth": true }));
        let custom = annotated(&json!({ "web-custom-options": true }));
        let response = plain.answer_options(&Method::OPTIONS).unwrap();
        assert_eq!((response.status, response.body.len()), (StatusCode::OK, 0));
        assert!(plain.answer_options(&Method::GET).is_none());
        assert!(custom.answer_options(&Method::OPTIONS).is_none());
    }
}
