//! Files of the page, with the headers that confine it.

use std::sync::LazyLock;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

/// Scripts and styles are the node's own files, requests go to the node only, and no script can
/// parse text as markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
        connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
        require-trusted-types-for 'script'; trusted-types 'none'",
);

/// A web action's document has an origin of its own: it cannot open the page and read the key that
/// a user types there, nor register a worker that answers for the page.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox allow-scripts allow-forms allow-modals allow-downloads allow-popups \
        allow-popups-to-escape-sandbox",
);

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// File of the page.
pub struct Asset {
    /// Content.
    pub body: &'static str,
    content_type: &'static str,
    etag: HeaderValue,
}

/// Server that has the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageServer {
    /// Node: users sign in with the key of a namespace.
    Node,
    /// `run --serve`: one action, without keys.
    Action,
}

/// File that names the server to the scripts.
const SERVER: &str = "server.js";

const FILES: [(&str, &str, &str); 9] = [
    ("", "text/html; charset=utf-8", include_str!("files/index.html")),
    ("style.css", "text/css; charset=utf-8", include_str!("files/style.css")),
    ("app.js", SCRIPT, include_str!("files/app.js")),
    ("api.js", SCRIPT, include_str!("files/api.js")),
    ("dom.js", SCRIPT, include_str!("files/dom.js")),
    ("form.js", SCRIPT, include_str!("files/form.js")),
    ("result.js", SCRIPT, include_str!("files/result.js")),
    ("charts.js", SCRIPT, include_str!("files/charts.js")),
    ("activity.js", SCRIPT, include_str!("files/activity.js")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<(&str, Asset)>> = LazyLock::new(|| {
    FILES
        .into_iter()
        .map(|(name, content_type, body)| (name, Asset::new(content_type, body)))
        .collect()
});

static NODE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(SCRIPT, include_str!("files/server/node.js")));

static ACTION: LazyLock<Asset> =
    LazyLock::new(|| Asset::new(SCRIPT, include_str!("files/server/action.js")));

/// Returns the file `name` of the page as `server` has it; the document's name is empty.
pub fn asset(server: PageServer, name: &str) -> Option<&'static Asset> {
    match (server, name) {
        (PageServer::Node, SERVER) => Some(&NODE),
        (PageServer::Action, SERVER) => Some(&ACTION),
        _ => ASSETS.iter().find(|(own, _)| *own == name).map(|(_, asset)| asset),
    }
}

impl Asset {
    fn new(content_type: &'static str, body: &'static str) -> Self {
        let hash = blake3::hash(body.as_bytes()).to_hex();
        // Hexadecimal digits between quotes are always a header's value.
        let etag = HeaderValue::from_str(&format!("\"{hash}\""));
        Self { body, content_type, etag: etag.unwrap_or(HeaderValue::from_static("\"\"")) }
    }

    /// Reports whether the client's copy, with the etags of its `If-None-Match`, is this file.
    pub fn is_held(&self, etags: Option<&HeaderValue>) -> bool {
        let Some(etags) = etags.and_then(|etags| etags.to_str().ok()) else { return false };
        etags.split(',').any(|etag| self.etag == etag.trim().trim_start_matches("W/").as_bytes())
    }

    /// Returns the headers. Each use of a copy is checked with the node, so that a page is never
    /// made of files of two versions.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        vec![
            (CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
            (ETAG, self.etag.clone()),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (OPENER_POLICY, SAME_ORIGIN),
            (RESOURCE_POLICY, SAME_ORIGIN),
        ]
    }
}

/// Returns the headers that separate a document of a web action from the page.
pub(crate) fn confinement() -> Vec<(HeaderName, HeaderValue)> {
    vec![(CONTENT_SECURITY_POLICY, SANDBOX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small() {
        let bytes: usize = FILES.iter().map(|(_, _, body)| body.len()).sum();
        assert!(bytes <= 150_000, "{bytes}");
    }

    #[test]
    fn the_page_has_no_sink_for_markup_and_names_no_other_origin() {
        for (name, _, body) in FILES {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "DOMParser",
                "localStorage",
                "sessionStorage",
                "cookie =",
                " style=",
            ] {
                assert!(!body.contains(word), "{name}: {word}");
            }
            let urls = body.split("http").filter(|rest| rest.starts_with("://"));
            let urls = urls.chain(body.split("https").filter(|rest| rest.starts_with("://")));
            let foreign: Vec<_> = urls.filter(|rest| !rest.starts_with("://www.w3.org/")).collect();
            assert!(foreign.is_empty(), "{name}: {foreign:?}");
        }
    }

    #[test]
    fn a_copy_that_is_still_current_is_not_sent_again() {
        let document = asset(PageServer::Node, "").unwrap();
        let etag = document.etag.clone();
        assert!(document.is_held(Some(&etag)));
        let listed = format!("\"x\", W/{}", etag.to_str().unwrap());
        assert!(document.is_held(Some(&HeaderValue::from_str(&listed).unwrap())));
        assert!(!document.is_held(None));
        let of = |server, name| asset(server, name).unwrap();
        assert!(!of(PageServer::Node, "app.js").is_held(Some(&etag)));
        assert!(asset(PageServer::Node, "../node.toml").is_none());
        assert_ne!(of(PageServer::Node, SERVER).body, of(PageServer::Action, SERVER).body);
    }
}
