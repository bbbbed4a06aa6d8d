//! Fuzzing of locations, prefixes and content types; see [`keynet_base::fuzzing`].

pub use super::folder_store::fuzzing::storage_request;
use super::location::RESERVED_SEGMENT;
pub use super::s3::fuzzing::s3_answer;
use super::{ContentType, Location, Prefix};
use keynet_base::fuzzing::{Target, check_message, checked, text};

/// Fuzz targets of this crate, by the name of their source file and of their input folders.
pub const TARGETS: &[(&str, Target)] =
    &[("location", location), ("s3_answer", s3_answer), ("storage_request", storage_request)];

/// Parses one text as a location, a prefix and a content type.
pub fn location(data: &[u8]) {
    let Some(text) = text(data) else { return };
    if let Some(location) = checked(Location::parse(text)) {
        assert_eq!(Location::parse(&location.to_string()).ok().as_ref(), Some(&location));
        let label = location.label();
        check_message(&label);
        assert!(label.chars().count() <= 2048 && !label.contains('\n'), "{label:?}");
        match &location {
            Location::Object { key, .. } => {
                let wrong = |segment: &str| {
                    ["", ".", ".."].contains(&segment)
                        || segment.eq_ignore_ascii_case(RESERVED_SEGMENT)
                };
                assert!(!key.as_str().split('/').any(wrong), "{location:?}");
                assert_eq!(key.path().as_ref(), key.as_str());
            }
            Location::Url(url) => {
                assert!(
                    matches!(url.scheme(), "http" | "https")
                        && url.username().is_empty()
                        && url.password().is_none()
                );
                assert!(
                    url.host_str().is_some_and(|host| !host.is_empty()) && !label.contains('?'),
                    "{label}"
                );
            }
        }
    }
    if let Some(prefix) = checked(Prefix::parse(text)) {
        assert_eq!(Prefix::parse(&prefix.to_string()).ok().as_ref(), Some(&prefix));
    }
    if let Some(content_type) = checked(ContentType::parse(text)) {
        assert!(http::HeaderValue::from_str(content_type.as_str()).is_ok(), "{content_type}");
        assert_eq!(ContentType::parse(content_type.as_str()).ok(), Some(content_type));
    }
    ContentType::guess(text);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn every_target_holds_for_the_corpus_and_for_what_was_found_before() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"));
        keynet_base::fuzzing::check_corpus(folder, super::TARGETS);
    }
}
