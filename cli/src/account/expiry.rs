//! When a login ends.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The moment that a server has named, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// As the server wrote it.
    pub text: String,
    /// As it was understood; none to let the server judge.
    at: Option<DateTime<Utc>>,
}

impl Expiry {
    /// Reads an ISO 8601 time; without a zone it is UTC.
    pub fn parse(text: &str) -> Self {
        let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
        let bare = || {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc())
        };
        Self { text: text.to_owned(), at: zoned.or_else(|_| bare()).ok() }
    }

    /// Whether it is over.
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
