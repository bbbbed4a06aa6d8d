//! The single time stamp of everything in an image.

use chrono::DateTime;

use super::ImageError;

/// `SOURCE_DATE_EPOCH`, or the first second of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(DateTime<chrono::Utc>);

impl Time {
    /// Reads the time from this process's environment.
    ///
    /// # Errors
    /// `SOURCE_DATE_EPOCH` is not a time.
    pub fn from_environment() -> Result<Self, ImageError> {
        std::env::var("SOURCE_DATE_EPOCH")
            .map_or(Ok(Self(DateTime::UNIX_EPOCH)), |text| Self::parse(&text))
    }

    fn parse(text: &str) -> Result<Self, ImageError> {
        let seconds = text
            .parse::<u32>()
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds.into(), 0));
        seconds.map(Self).ok_or_else(|| ImageError::Time(text.to_owned()))
    }

    /// Returns the seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0.timestamp().try_into().unwrap_or(0)
    }

    /// Formats the time as in RFC 3339.
    pub fn text(self) -> String {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds() {
        let time = Time::parse("1767225600").unwrap();
        assert_eq!((time.seconds(), time.text().as_str()), (1_767_225_600, "2026-01-01T00:00:00Z"));
        assert_eq!(Time::parse("0").unwrap().text(), "1970-01-01T00:00:00Z");
        for text in ["", "now", "-1", "1.5", "99999999999"] {
            assert!(
                Time::parse(text).unwrap_err().to_string().contains("SOURCE_DATE_EPOCH"),
                "{text}"
            );
        }
    }
}
