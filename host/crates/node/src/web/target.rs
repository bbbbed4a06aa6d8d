//! The target of a request: which action, in which format, with which rest of the path.

use hyper::Method;
use keynet_openwhisk_api::ActionName;
use percent_encoding::percent_decode_str;

use super::error::WebError;
use super::query::check_escapes;

/// Package in a path for the actions that are in none.
const DEFAULT_PACKAGE: &str = "default";
/// Stand-in for the namespace of the caller's key in other parts of the API; no namespace itself.
const OWN_NAMESPACE: &str = "_";

/// Format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// HTTP response that the result describes; also the format without an extension.
    Http,
    /// The result as JSON.
    Json,
    /// Field `body` or `html`.
    Html,
    /// Field `body` or `svg`.
    Svg,
    /// Field `body` or `text`.
    Text,
}

impl Extension {
    const ALL: [(&str, Self); 5] = [
        (".http", Self::Http),
        (".json", Self::Json),
        (".html", Self::Html),
        (".svg", Self::Svg),
        (".text", Self::Text),
    ];

    /// Splits the last segment into the action's name and the extension. Any other ending belongs
    /// to the name.
    fn split(segment: &str) -> (&str, Self) {
        Self::ALL
            .into_iter()
            .find_map(|(ending, extension)| Some((segment.strip_suffix(ending)?, extension)))
            .unwrap_or((segment, Self::Http))
    }
}

/// Action and format that the path of a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebTarget {
    /// Namespace.
    pub namespace: String,
    /// Package; `None` for `default`.
    pub package: Option<String>,
    /// Name of the action, without the extension.
    pub name: String,
    /// Format of the response.
    pub extension: Extension,
    /// Rest of the path: empty, or from a slash on. It stays percent-encoded and is never
    /// interpreted.
    pub path: String,
}

impl WebTarget {
    /// Parses what follows `/api/v1/web` in the path of a request, percent-encoded and without the
    /// query.
    ///
    /// # Errors
    /// [`WebError::MalformedTarget`] for a wrong percent-encoding, [`WebError::NotFound`] for
    /// anything that cannot be the name of an action, dots and encoded slashes included.
    pub fn parse(path: &str) -> Result<Self, WebError> {
        check_escapes(path).map_err(|_| WebError::MalformedTarget("path"))?;
        let mut parts = path.strip_prefix('/').ok_or(WebError::NotFound)?.splitn(4, '/');
        let mut segment = || {
            let part = parts.next().ok_or(WebError::NotFound)?;
            percent_decode_str(part).decode_utf8().map_err(|_| WebError::NotFound)
        };
        let (namespace, package, last) = (segment()?, segment()?, segment()?);
        // A decoded slash makes a fourth part, which is refused.
        let name: ActionName =
            format!("/{namespace}/{package}/{last}").parse().map_err(|_| WebError::NotFound)?;
        let (base, extension) = Extension::split(&name.name);
        let namespace = name.namespace.filter(|name| name != OWN_NAMESPACE);
        if base.is_empty() || base.ends_with(' ') {
            return Err(WebError::NotFound);
        }
        Ok(Self {
            namespace: namespace.ok_or(WebError::NotFound)?,
            package: name.package.filter(|name| name != DEFAULT_PACKAGE),
            name: base.to_owned(),
            extension,
            path: parts.next().map(|rest| format!("/{rest}")).unwrap_or_default(),
        })
    }
}

/// Checks that web actions have the method.
///
/// # Errors
/// [`WebError::MethodNotAllowed`] for all but GET, DELETE, POST, PUT, HEAD, OPTIONS and PATCH.
pub fn check_method(method: &Method) -> Result<(), WebError> {
    let allowed = [
        Method::GET,
        Method::DELETE,
        Method::POST,
        Method::PUT,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
    ];
    if allowed.contains(method) { Ok(()) } else { Err(WebError::MethodNotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_namespace_a_package_an_action_and_a_format() {
        for (path, namespace, package, name, extension, rest) in [
            ("/guest/default/hello", "guest", None, "hello", Extension::Http, ""),
            ("/guest/default/hello.json", "guest", None, "hello", Extension::Json, ""),
            ("/guest/demo/hello.html", "guest", Some("demo"), "hello", Extension::Html, ""),
            ("/guest/demo/hello.svg/", "guest", Some("demo"), "hello", Extension::Svg, "/"),
            ("/guest/demo/a.text/b/0", "guest", Some("demo"), "a", Extension::Text, "/b/0"),
            ("/guest/demo/a/b.json/c", "guest", Some("demo"), "a", Extension::Http, "/b.json/c"),
            ("/guest/demo/a.json.http", "guest", Some("demo"), "a.json", Extension::Http, ""),
            ("/guest/demo/a.JSON", "guest", Some("demo"), "a.JSON", Extension::Http, ""),
            ("/guest/demo/a.xyz", "guest", Some("demo"), "a.xyz", Extension::Http, ""),
            ("/guest/defaults/a", "guest", Some("defaults"), "a", Extension::Http, ""),
            ("/a%40b.c/p%20q/n%26m.http", "a@b.c", Some("p q"), "n&m", Extension::Http, ""),
            (
                "/guest/default/a/%2e%2E//%2f%00",
                "guest",
                None,
                "a",
                Extension::Http,
                "/%2e%2E//%2f%00",
            ),
        ] {
            let expected = WebTarget {
                namespace: namespace.to_owned(),
                package: package.map(str::to_owned),
                name: name.to_owned(),
                extension,
                path: rest.to_owned(),
            };
            assert_eq!(WebTarget::parse(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_plays_tricks_names_nothing() {
        let long = format!("/guest/default/{}", "a".repeat(257));
        for path in [
            "",
            "/",
            "guest/default/a",
            "/guest",
            "/guest/default",
            "/guest/default/",
            "//default/a",
            "/guest//a",
            "/_/default/a",
            "/../default/a",
            "/guest/../a",
            "/guest/default/..",
            "/guest/default/.json",
            "/guest/default/a%20.json",
            "/guest/default/a%20",
            "/guest/%2e%2e/a",
            "/guest/default/a%2fb",
            "/guest%2fdefault/a",
            "/guest/default%2Fa",
            "/guest/default/%00",
            "/guest/default/a%00.json",
            "/guest/default/a%0d%0ab",
            "/guest/default/%c0%ae%c0%ae",
            "/guest/default/%ff",
            "/guest/default/%C3%A9",
            "/guest/default/a%3Fb",
            "/guest/default/-a",
            "/guest/default/a+b",
            &long,
        ] {
            assert_eq!(WebTarget::parse(path), Err(WebError::NotFound), "{path}");
        }
        for path in ["/guest/default/a%", "/guest/default/a%2", "/gu%zzest/default/a", "/g/p/a/%+1"]
        {
            let error = WebTarget::parse(path).unwrap_err();
            assert_eq!(error.status(), 400, "{path}");
            assert!(error.to_string().contains("percent-encoding in the path"), "{error}");
        }
    }

    #[test]
    fn methods_are_those_of_openwhisk() {
        for method in ["GET", "DELETE", "POST", "PUT", "HEAD", "OPTIONS", "PATCH"] {
            assert_eq!(check_method(&method.parse().unwrap()), Ok(()));
        }
        for method in ["TRACE", "CONNECT", "get", "PROPFIND"] {
            let error = check_method(&method.parse().unwrap()).unwrap_err();
            assert_eq!(error.status(), 405, "{method}");
        }
    }
}
