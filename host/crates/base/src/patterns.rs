//! Lists of names, some of which end in a star.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::quote::shown;

/// Prefix of the location of an object that is not in the default bucket.
pub const ELSEWHERE: &str = "s3://";

/// Names, each exact or ending in `*` for any rest; `*` alone is any name. A star does not match
/// another bucket: `s3://…` is matched only by patterns with that prefix.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<String>")]
pub struct Patterns(Vec<String>);

/// Largest number of names in a list. An action's list is compared with the policy's, name by name,
/// at each listing.
const MAX_PATTERNS: usize = 1000;

impl Patterns {
    /// Returns the pattern that matches every name.
    pub fn any() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Reports whether every name matches.
    pub fn is_any(&self) -> bool {
        self.0.iter().any(|pattern| pattern == "*")
    }

    /// Returns the names that match these patterns and `others`, as patterns in the order of their
    /// names, none of which covers another.
    pub fn intersection(&self, others: &Self) -> Self {
        let mut both: Vec<String> = self
            .0
            .iter()
            .flat_map(|one| others.0.iter().filter_map(|other| common(one, other)))
            .collect();
        // Sort a pattern before those that it covers.
        both.sort_by(|one, other| {
            stem(one).cmp(stem(other)).then(other.ends_with('*').cmp(&one.ends_with('*')))
        });
        let mut disjoint: Vec<String> = Vec::with_capacity(both.len());
        for pattern in both {
            let covered = disjoint
                .last()
                .is_some_and(|last| common(last, &pattern).as_ref() == Some(&pattern));
            if !covered {
                disjoint.push(pattern);
            }
        }
        Self(disjoint)
    }

    /// Returns the pattern of every name that begins with `start`.
    pub fn beginning_with(start: &str) -> Self {
        Self(vec![format!("{start}*")])
    }

    /// Returns the patterns.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Reports whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let elsewhere = name.starts_with(ELSEWHERE);
        self.0.iter().filter(|pattern| !elsewhere || pattern.starts_with(ELSEWHERE)).any(
            |pattern| match pattern.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => pattern == name,
            },
        )
    }
}

/// Returns a pattern without its star.
fn stem(pattern: &str) -> &str {
    pattern.strip_suffix('*').unwrap_or(pattern)
}

/// Returns the pattern of the names that match both patterns; `None` if no name does.
fn common(one: &str, other: &str) -> Option<String> {
    let (shorter, longer) =
        if stem(one).len() <= stem(other).len() { (one, other) } else { (other, one) };
    let within = match shorter.strip_suffix('*') {
        // A star does not match another bucket.
        Some(start) => {
            longer.starts_with(start)
                && longer.starts_with(ELSEWHERE) <= start.starts_with(ELSEWHERE)
        }
        None => shorter == stem(longer),
    };
    // Of two patterns with equally long stems, the one without a star is narrower.
    let narrower = if stem(shorter).len() == stem(longer).len() && !shorter.ends_with('*') {
        shorter
    } else {
        longer
    };
    within.then(|| narrower.to_owned())
}

impl TryFrom<Vec<String>> for Patterns {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        match names.len() {
            0..=MAX_PATTERNS => Ok(Self(names)),
            given => Err(format!(
                "a list has {given} names, more than {MAX_PATTERNS}: let names that begin alike \
                    share one with a star"
            )),
        }
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
        assert!(
            buckets.matches("s3://shared/out/a")
                && !buckets.matches("s3://shared/in/a")
                && !buckets.matches("s3://other/a")
        );
        assert!(!Patterns::any().matches("s3://other/a"));
        assert!(Patterns::any().matches("") && Patterns::any().is_any());
        assert_eq!(Patterns(vec![]).to_string(), "none");
    }

    #[test]
    fn two_lists_have_in_common_what_both_match() {
        let common = |one: &[&str], other: &[&str]| {
            let one: Patterns = one.iter().copied().collect();
            let other: Patterns = other.iter().copied().collect();
            assert_eq!(one.intersection(&other), other.intersection(&one));
            one.intersection(&other).0
        };
        assert_eq!(common(&["report"], &["report*"]), ["report"]);
        assert_eq!(common(&["report"], &["report"]), ["report"]);
        assert_eq!(common(&["report"], &["reports"]), [""; 0]);
        assert_eq!(common(&["*"], &["results/*"]), ["results/*"]);
        assert_eq!(common(&["results/a/*", "b", "results/*", "b*"], &["*"]), ["b*", "results/*"]);
        assert_eq!(common(&["a/*", "b/*", "c"], &["b/x/*", "b/y", "d*"]), ["b/x/*", "b/y"]);
        assert_eq!(common(&["a!", "a*", "a"], &["*"]), ["a*"]);
        assert_eq!(common(&["*", "s*"], &["s3://shared/*"]), [""; 0]);
        assert_eq!(common(&["s3://*", "*"], &["s3://shared/*", "x"]), ["s3://shared/*", "x"]);
    }
}
