//! Content types that a caller accepts.
//!
//! A web action has one content type, so there is nothing to choose: a response that the caller's
//! `Accept` excludes becomes an error, as with OpenWhisk.

use hyper::header::{ACCEPT, HeaderMap};

use super::media_type::{MediaType, split_unquoted};

/// Range of media types with its quality.
#[derive(Debug)]
struct Range {
    media_type: MediaType,
    quality: f32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        // Old Java clients send `*`.
        let media_type = match text.strip_prefix('*') {
            Some(rest) if !rest.starts_with('/') => MediaType::parse(&format!("*/*{rest}")),
            _ => MediaType::parse(text),
        }?;
        let quality = media_type.parameters().iter().find(|(name, _)| name == "q");
        let quality = quality.map_or(Some(1.0), |(_, value)| value.parse().ok())?;
        Some(Self { media_type, quality })
    }

    /// Returns the rank of a range: the most specific ones decide.
    fn specificity(&self) -> (u8, usize) {
        let kind = match self.media_type.parts() {
            ("*", _) => 0,
            (_, "*") => 1,
            _ => 2,
        };
        (kind, self.media_type.parameters().len())
    }

    fn contains(&self, other: &MediaType) -> bool {
        let (main, sub) = self.media_type.parts();
        let (other_main, other_sub) = other.parts();
        let mut required = self.media_type.parameters().iter().filter(|(name, _)| name != "q");
        (main == "*" || main == other_main && (sub == "*" || sub == other_sub))
            && required.all(|parameter| other.parameters().contains(parameter))
    }
}

/// The `Accept` headers of a request.
#[derive(Debug, Default)]
pub struct Accept {
    /// The most specific ranges first.
    ranges: Vec<Range>,
}

impl Accept {
    /// Reads the headers of a request. A header that cannot be parsed counts as absent.
    pub fn read(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let parsed =
            values.filter_map(|value| split_unquoted(value, ',').map(Range::parse).collect());
        let mut ranges: Vec<Range> =
            parsed.collect::<Vec<Vec<_>>>().into_iter().flatten().collect();
        ranges.sort_by(|a, b| {
            let specificity = b.specificity().cmp(&a.specificity());
            specificity.then(b.quality.total_cmp(&a.quality))
        });
        Self { ranges }
    }

    /// Reports whether the caller accepts the media type.
    pub fn accepts(&self, media_type: &MediaType) -> bool {
        let range = self.ranges.iter().find(|range| range.contains(media_type));
        self.ranges.is_empty() || range.is_some_and(|range| range.quality > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_everything_and_a_strict_client_what_it_asked_for() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
        for (accept, media_type, accepted) in [
            (vec![], "text/html", true),
            (vec!["*/*"], "image/png", true),
            (vec![browser], "application/json", true),
            (vec!["application/json"], "text/html", false),
            (vec!["application/json"], "application/json", true),
            (vec!["Application/JSON; charset=utf-8"], "application/json", true),
            (vec!["application/json", "text/*"], "text/html", true),
            (vec!["image/*"], "text/html", false),
            (vec!["text/html;q=0, */*"], "text/html", false),
            (vec!["*/*, text/*;q=0"], "text/plain", false),
            (vec!["*/*;q=0"], "text/plain", false),
            (vec!["text/html;level=1"], "text/html", false),
            (vec!["text/html, *; q=.2"], "image/png", true),
            (vec!["nonsense"], "text/html", true),
            (vec!["application/json, nonsense"], "text/html", true),
            (vec!["application/json;q=high"], "text/html", true),
            (vec!["a/b;c=\"d,e\", text/html"], "text/html", true),
        ] {
            let mut headers = HeaderMap::new();
            for value in &accept {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            let read = Accept::read(&headers);
            let parsed = MediaType::parse(media_type).unwrap();
            assert_eq!(read.accepts(&parsed), accepted, "{accept:?} {media_type}");
        }
    }
}
