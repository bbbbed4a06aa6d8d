//! Headers that let scripts of other sites call web actions.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderName, HeaderValue,
};

use super::annotations::WebAnnotations;

const METHODS: HeaderValue =
    HeaderValue::from_static("OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent",
);

/// Returns the headers that are added to every response of a web action, to errors and to those
/// that the action sets itself; none if `web-custom-options` leaves them to the action. `request`
/// has the headers of the request.
pub fn cors_headers(
    annotations: &WebAnnotations,
    request: &HeaderMap,
) -> Vec<(HeaderName, HeaderValue)> {
    if annotations.custom_options {
        return Vec::new();
    }
    let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    vec![
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(HEADERS)),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::annotated;
    use super::*;

    #[test]
    fn a_script_of_another_site_may_send_the_headers_that_its_browser_asks_for() {
        let plain = annotated(&json!({}));
        let allowed = |request: &HeaderMap| {
            let headers = cors_headers(&plain, request);
            assert_eq!(headers[0].1, "*");
            assert_eq!(headers[1].1, "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH");
            headers[2].1.to_str().unwrap().to_owned()
        };
        let asked =
            HeaderMap::from_iter([(ACCESS_CONTROL_REQUEST_HEADERS, "x-a".parse().unwrap())]);
        assert_eq!(
            allowed(&HeaderMap::new()),
            "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"
        );
        assert_eq!(allowed(&asked), "x-a");
        let custom = annotated(&json!({ "web-custom-options": true }));
        assert!(cors_headers(&custom, &asked).is_empty());
    }
}
