//! Expiry time of a login.

use chrono::{DateTime, NaiveDateTime, Utc};

/// Expiry time that a server named, with its original text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Text as the server wrote it.
    pub text: String,
    /// Parsed time; `None` if the text cannot be parsed, which leaves the decision to the server.
    at: Option<DateTime<Utc>>,
}

impl Expiry {
    /// Parses an ISO 8601 time; without a zone it is UTC.
    pub fn parse(text: &str) -> Self {
        let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
        let bare = || {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc())
        };
        Self { text: text.to_owned(), at: zoned.or_else(|_| bare()).ok() }
    }

    /// Reports whether the time has passed.
    pub fn is_over(&self) -> bool {
        self.at.is_some_and(|at| at <= Utc::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_with_and_without_zone() {
        for over in [
            "2020-01-31T12:00:00Z",
            "2020-01-31T12:00:00.123456789Z",
            "2020-01-31T12:00:00+09:00",
            "2020-01-31T12:00:00",
        ] {
            assert!(Expiry::parse(over).is_over(), "{over}");
        }
        for lasts in ["2999-01-31T12:00:00Z", "2999-01-31T12:00:00.5", "", "soon"] {
            assert!(!Expiry::parse(lasts).is_over(), "{lasts}");
        }
    }
}
