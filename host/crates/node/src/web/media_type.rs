//! Media types: which of them are binary, and so base64 in JSON.
//!
//! The tables are those of Pekko HTTP's `MediaTypes`, with which OpenWhisk decides. A type that
//! they lack is binary unless it has a `charset`; `text/javascript` is such a type.

/// Main types all of whose types are binary, with or without a charset.
const BINARY_MAIN_TYPES: [&str; 6] = ["audio", "font", "image", "message", "multipart", "video"];

/// Types of `application` that are binary even with a charset.
const BINARY: [&str; 4] =
    ["application/gnutar", "application/octet-stream", "application/pdf", "application/zip"];

/// Text that is UTF-8 by definition and has no `charset`.
const UTF_8: [&str; 7] = [
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/problem+json",
    "application/vnd.api+json",
    "application/x-www-form-urlencoded",
    "text/event-stream",
];

const TEXT_APPLICATIONS: [&str; 12] = [
    "atom+xml",
    "base64",
    "javascript",
    "problem+xml",
    "rss+xml",
    "soap+xml",
    "vnd.google-earth.kml+xml",
    "x-latex",
    "x-vrml",
    "xhtml+xml",
    "xml",
    "xml-dtd",
];

const TEXTS: [&str; 42] = [
    "asp",
    "cache-manifest",
    "calendar",
    "css",
    "csv",
    "html",
    "markdown",
    "mcf",
    "plain",
    "richtext",
    "tab-separated-values",
    "uri-list",
    "vnd.wap.wml",
    "vnd.wap.wmlscript",
    "x-asm",
    "x-c",
    "x-component",
    "x-h",
    "x-java-source",
    "x-pascal",
    "x-script",
    "x-scriptcsh",
    "x-scriptelisp",
    "x-scriptksh",
    "x-scriptlisp",
    "x-scriptperl",
    "x-scriptperl-module",
    "x-scriptphyton",
    "x-scriptrexx",
    "x-scriptscheme",
    "x-scriptsh",
    "x-scripttcl",
    "x-scripttcsh",
    "x-scriptzsh",
    "x-server-parsed-html",
    "x-setext",
    "x-sgml",
    "x-speech",
    "x-uuencode",
    "x-vcalendar",
    "x-vcard",
    "xml",
];

/// Form in which content of a media type is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Binary,
    /// Text in UTF-8 without a `charset`.
    Utf8,
    /// Text with a `charset`.
    Charset,
}

/// Media type with parameters. The charset is apart: content that the node writes is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
    has_charset: bool,
}

impl MediaType {
    pub const HTML: &str = "text/html";
    pub const TEXT: &str = "text/plain";
    pub const SVG: &str = "image/svg+xml";
    pub const JSON: &str = "application/json";
    pub const FORM: &str = "application/x-www-form-urlencoded";
    pub const OCTETS: &str = "application/octet-stream";

    /// Returns a media type without parameters.
    pub fn of(essence: &str) -> Self {
        Self { essence: essence.to_owned(), parameters: Vec::new(), has_charset: false }
    }

    /// Parses the value of a `content-type`, or a range of `accept`. `None` if it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = split_unquoted(text, ';').map(|piece| piece.trim_matches([' ', '\t']));
        let (main, sub) = pieces.next()?.split_once('/')?;
        if !is_token(main) || !is_token(sub) {
            return None;
        }
        let parameters = pieces.map(parameter).collect::<Option<Vec<_>>>()?;
        let count = parameters.len();
        let parameters: Vec<_> =
            parameters.into_iter().filter(|(name, _)| name != "charset").collect();
        Some(Self {
            essence: format!("{main}/{sub}").to_ascii_lowercase(),
            has_charset: parameters.len() < count,
            parameters,
        })
    }

    /// Returns `type/subtype` in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// Returns the type and the subtype.
    pub fn parts(&self) -> (&str, &str) {
        self.essence.split_once('/').unwrap_or((&self.essence, ""))
    }

    /// Returns the parameters apart from the charset, names in lower case.
    pub fn parameters(&self) -> &[(String, String)] {
        &self.parameters
    }

    /// Reports whether it is `application/json` or ends with `+json`.
    pub fn is_json(&self) -> bool {
        self.essence == Self::JSON || self.essence.ends_with("+json")
    }

    /// Reports whether its content is no text.
    pub fn is_binary(&self) -> bool {
        self.encoding() == Encoding::Binary
    }

    fn encoding(&self) -> Encoding {
        let essence = self.essence.as_str();
        let (main, sub) = self.parts();
        if UTF_8.contains(&essence) {
            Encoding::Utf8
        } else if BINARY_MAIN_TYPES.contains(&main) || BINARY.contains(&essence) {
            Encoding::Binary
        } else if self.has_charset
            || main == "text" && TEXTS.contains(&sub)
            || main == "application" && TEXT_APPLICATIONS.contains(&sub)
        {
            Encoding::Charset
        } else {
            Encoding::Binary
        }
    }

    /// Returns the value of the `content-type` of a response.
    pub fn content_type(&self) -> String {
        let mut value = self.essence.clone();
        for (name, text) in &self.parameters {
            value.push_str("; ");
            value.push_str(name);
            value.push('=');
            value.push_str(&quote(text));
        }
        if self.encoding() == Encoding::Charset {
            value.push_str("; charset=UTF-8");
        }
        value
    }
}

/// Splits at separators outside of quoted strings.
pub fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c| {
        let separates = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
}

fn parameter(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    is_token(name).then_some(())?;
    let Some(quoted) = value.strip_prefix('"') else {
        return is_token(value).then(|| (name.to_ascii_lowercase(), value.to_owned()));
    };
    let mut unquoted = String::new();
    let mut characters = quoted.strip_suffix('"')?.chars();
    while let Some(c) = characters.next() {
        let c = if c == '\\' { characters.next()? } else { c };
        if c.is_control() {
            return None;
        }
        unquoted.push(c);
    }
    Some((name.to_ascii_lowercase(), unquoted))
}

fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn quote(text: &str) -> String {
    if is_token(text) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_binary_and_pages_are_text() {
        for (text, is_binary, content_type) in [
            ("text/html", false, "text/html; charset=UTF-8"),
            ("TEXT/Html;Charset=iso-8859-1", false, "text/html; charset=UTF-8"),
            ("text/csv; header=present", false, "text/csv; header=present; charset=UTF-8"),
            ("text/event-stream", false, "text/event-stream"),
            ("application/json; charset=utf-8", false, "application/json"),
            ("application/vnd.api+json", false, "application/vnd.api+json"),
            ("application/hal+json", true, "application/hal+json"),
            ("application/hal+json; charset=utf-8", false, "application/hal+json; charset=UTF-8"),
            ("application/xml", false, "application/xml; charset=UTF-8"),
            ("application/javascript", false, "application/javascript; charset=UTF-8"),
            ("text/javascript", true, "text/javascript"),
            ("text/javascript; charset=utf-8", false, "text/javascript; charset=UTF-8"),
            ("image/png", true, "image/png"),
            ("image/png; charset=utf-8", true, "image/png"),
            ("image/svg+xml", true, "image/svg+xml"),
            ("application/octet-stream", true, "application/octet-stream"),
            ("application/x-unheard-of", true, "application/x-unheard-of"),
            ("multipart/form-data; boundary=x1", true, "multipart/form-data; boundary=x1"),
            ("a/b; c=\"d; \\\"e\\\"\"", true, "a/b; c=\"d; \\\"e\\\"\""),
        ] {
            let media_type = MediaType::parse(text).unwrap();
            assert_eq!(media_type.is_binary(), is_binary, "{text}");
            assert_eq!(media_type.content_type(), content_type, "{text}");
        }
    }

    #[test]
    fn what_is_no_media_type_is_refused() {
        for text in [
            "",
            "xyzbar",
            "/",
            "text/",
            "/html",
            "text/html/x",
            "te xt/html",
            "text/ht ml",
            "text/html;",
            "text/html; a",
            "text/html; a=",
            "text/html; =b",
            "text/html; a=\"b",
            "text/html\r\nx: y",
            "text/html; a=b\r\nx: y",
            "text/html; a=\"b\r\nx: y\"",
            "text/html; a=\"\\\n\"",
            "text/html; a=\"b\\\"",
            "text/html\0",
            "té/html",
        ] {
            assert_eq!(MediaType::parse(text), None, "{text:?}");
        }
    }
}
