//! Lists of names, some of which end in a star.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quote::shown;

/// How objects of a bucket that is not the default one are named.
pub(super) const ELSEWHERE: &str = "s3://";

/// Names, each exact or ending in `*` for any rest; `*` alone is any name. No star stands for another bucket: `s3://…` is matched only
/// by what begins so itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Patterns(Vec<String>);

impl Patterns {
    /// Every name.
    pub fn any() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Whether every name matches.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(|pattern| pattern == "*")
    }

    /// Whether `name` is one of them.
    pub fn matches(&self, name: &str) -> bool {
        let elsewhere = name.starts_with(ELSEWHERE);
        self.0.iter().filter(|pattern| !elsewhere || pattern.starts_with(ELSEWHERE)).any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == name,
        })
    }
}

impl<'a> FromIterator<&'a str> for Patterns {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(names.into_iter().map(str::to_owned).collect())
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_any() {
            return f.write_str("any");
        }
        if self.0.is_empty() { f.write_str("none") } else { shown(&self.0.join(", ")).fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_rest() {
        let patterns: Patterns = ["exact", "results/*"].into_iter().collect();
        assert!(patterns.matches("exact") && patterns.matches("results/a/b"));
        assert!(!patterns.matches("exactly") && !patterns.matches("other/results/a"));
        let buckets: Patterns = ["s*", "s3://shared/out/*"].into_iter().collect();
        assert!(buckets.matches("s3://shared/out/a") && !buckets.matches("s3://shared/in/a") && !buckets.matches("s3://other/a"));
        assert!(!Patterns::any().matches("s3://other/a"));
        assert!(Patterns::any().matches("") && Patterns::any().is_any());
        assert_eq!(Patterns(vec![]).to_string(), "none");
    }
}
