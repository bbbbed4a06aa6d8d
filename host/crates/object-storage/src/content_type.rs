//! MIME types: validated when they arrive from outside, and guessed from the extension for files
//! that a person copied into the folder store.

use std::fmt;

use keynet_base::error::{Error, Result};
use keynet_base::limits;

/// MIME type such as `image/png` or `text/plain; charset=utf-8`, safe to put into a header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentType(String);

impl ContentType {
    /// Parses a MIME type from outside: a type and a subtype, then any parameters, in visible
    /// ASCII.
    ///
    /// # Errors
    /// `invalid`, with an example of a valid MIME type.
    pub fn parse(text: &str) -> Result<Self> {
        let fits = text.len() <= limits::CONTENT_TYPE;
        let token = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
        };
        let essence = if fits { text.split(';').next().unwrap_or_default().trim_end() } else { "" };
        let named =
            essence.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
        if named && text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            Ok(Self(text.trim_end().to_owned()))
        } else {
            let most = limits::CONTENT_TYPE;
            Err(Error::invalid(format!(
                "a content type is a MIME type such as `image/png`, at most {most} bytes of ASCII"
            )))
        }
    }

    /// Returns `application/octet-stream`, the content type of objects stored without one.
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// Guesses the MIME type from the extension of `key`; `None` for an unknown extension.
    pub fn guess(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next()?;
        let extension = name.rsplit_once('.')?.1.to_ascii_lowercase();
        EXTENSIONS
            .iter()
            .find(|(known, _)| *known == extension)
            .map(|(_, mime)| Self((*mime).to_owned()))
    }

    /// Returns the MIME type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Extensions of the files that inference actions usually read and write. Files of any other kind
/// have to be stored with an explicit content type.
const EXTENSIONS: &[(&str, &str)] = &[
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("csv", "text/csv"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("parquet", "application/vnd.apache.parquet"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mime_types_are_told_from_other_text() {
        for text in [
            "image/png",
            "text/plain; charset=utf-8",
            "application/vnd.x+json",
            "text/plain;a=\"b\"",
        ] {
            assert_eq!(ContentType::parse(text).unwrap().as_str(), text);
        }
        let long = format!("image/{}", "x".repeat(250));
        for text in [
            "",
            "image",
            "image/",
            "/png",
            "image/png\r\nx: y",
            "bild/jpäg",
            "a b/c",
            "image/png/x",
            &long,
        ] {
            assert!(ContentType::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn extensions_are_guessed_without_case() {
        assert_eq!(ContentType::guess("a/Cat.PNG").unwrap().as_str(), "image/png");
        assert_eq!(ContentType::guess("a.png/cat"), None);
        assert_eq!(ContentType::guess("20260131/x"), None);
    }
}
