//! Names that an action may use: requested by the action and granted by the operator.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::patterns::{ELSEWHERE, Patterns};

/// Names that are granted and, if the action requests any, also requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Granted {
    granted: Patterns,
    asked: Option<Patterns>,
}

impl Granted {
    /// Returns the names of `granted` that the action requests; `asked` is `None` if it requests
    /// all.
    pub fn new(granted: &Patterns, asked: Option<&Patterns>) -> Self {
        Self { granted: granted.clone(), asked: asked.cloned() }
    }

    /// Checks whether `name` may be used.
    ///
    /// # Errors
    /// `denied`, with `what` (such as "model") and whether the action did not request the name or
    /// the policy does not grant it.
    pub fn check(&self, what: &str, name: &str) -> Result<()> {
        if !self.granted.matches(name) {
            return Err(self.not_granted(what, name));
        }
        match &self.asked {
            Some(asked) if !asked.matches(name) => Err(not_asked(what, name, asked)),
            _ => Ok(()),
        }
    }

    /// Reports whether `name` may be used.
    pub fn allows(&self, name: &str) -> bool {
        self.granted.matches(name) && self.asked.as_ref().is_none_or(|asked| asked.matches(name))
    }

    /// Returns the names that begin with `prefix` and may be used: at least one pattern, in the
    /// order of the names, none of which covers another.
    ///
    /// # Errors
    /// `denied`, as for [`Granted::check`]: there is no such name.
    pub fn beginning_with(&self, what: &str, prefix: &str) -> Result<Patterns> {
        let granted = self.granted.intersection(&Patterns::beginning_with(prefix));
        if granted.iter().next().is_none() {
            return Err(self.not_granted(what, prefix));
        }
        let Some(asked) = &self.asked else { return Ok(granted) };
        let both = granted.intersection(asked);
        if both.iter().next().is_none() {
            return Err(not_asked(what, prefix, asked));
        }
        Ok(both)
    }

    /// Returns the patterns that the action requests and of which the policy grants no name.
    pub fn denied(&self) -> Patterns {
        let asked = self.asked.iter().flat_map(Patterns::iter);
        let is_denied = |pattern: &&str| {
            let one: Patterns = [*pattern].into_iter().collect();
            self.granted.intersection(&one).iter().next().is_none()
        };
        asked.filter(is_denied).collect()
    }

    fn not_granted(&self, what: &str, name: &str) -> Error {
        let elsewhere = match name.starts_with(ELSEWHERE) {
            true => " of the default bucket, and others by their names, as `s3://bucket/*`",
            false => "",
        };
        let granted = &self.granted;
        Error::denied(format!(
            "{what} {name:?} is not granted by this deployment's policy; \
            it grants {granted}{elsewhere}"
        ))
    }
}

fn not_asked(what: &str, name: &str, asked: &Patterns) -> Error {
    Error::denied(format!(
        "{what} {name:?} is not among what the action asks for in its \
        keynet.toml ({asked}); add it there"
    ))
}

impl std::fmt::Display for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.asked {
            None => write!(f, "{}", self.granted),
            Some(asked) if self.granted.is_any() => write!(f, "{asked}"),
            Some(asked) => write!(f, "{asked}, where it is also {}", self.granted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_and_is_not_granted_is_known() {
        let patterns = |names: &[&str]| names.iter().copied().collect::<Patterns>();
        let denied = |granted: &[&str], asked: Option<&[&str]>| {
            let asked = asked.map(patterns);
            Granted::new(&patterns(granted), asked.as_ref()).denied()
        };
        assert_eq!(denied(&["a", "team-*"], Some(&["a", "b", "team-x"])), patterns(&["b"]));
        assert_eq!(denied(&[], Some(&["*"])), patterns(&["*"]));
        assert_eq!(denied(&["a"], Some(&["*"])), patterns(&[]));
        assert_eq!(denied(&[], None), patterns(&[]));
        assert_eq!(denied(&["*"], Some(&["s3://other/*"])), patterns(&["s3://other/*"]));
    }
}
