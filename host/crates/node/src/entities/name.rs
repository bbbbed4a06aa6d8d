//! Names of entities, by OpenWhisk's rule.

use std::borrow::Cow;

use keynet_openwhisk_api::name::{MAX_PART, is_part};
use serde::{Deserialize, Serialize};

/// Reason why a text is not a name, in OpenWhisk's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is too long; the value is its length in bytes.
    #[error("Name segement longer than allowed: {0} > {MAX_PART}.")]
    TooLong(usize),
    /// It has other characters.
    #[error("The name of the entity contains illegal characters.")]
    Illegal,
}

/// Checks a name; see [`is_part`].
///
/// # Errors
/// The text is not a name.
pub fn check(text: &str) -> Result<&str, NameError> {
    if text.len() > MAX_PART {
        return Err(NameError::TooLong(text.len()));
    }
    if is_part(text) { Ok(text) } else { Err(NameError::Illegal) }
}

/// Name of an action or a package within a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityName {
    /// Package of an action; empty for the default package, and for a package itself.
    pub package: String,
    /// Name of the action or the package.
    pub name: String,
}

impl EntityName {
    /// Returns the name of an action in `package`, which is empty for the default package, or of a
    /// package.
    pub fn new(package: &str, name: &str) -> Self {
        Self { package: package.to_owned(), name: name.to_owned() }
    }

    /// Parses `/namespace/name`, `/namespace/package/name`, with or without the first slash; the
    /// namespace may be `_`, which stands for `own`.
    pub fn parse_qualified(text: &str, own: &str) -> Option<(String, Self)> {
        let mut parts: Vec<&str> = text.strip_prefix('/').unwrap_or(text).split('/').collect();
        if parts.iter().any(|part| check(part).is_err()) {
            return None;
        }
        let name = parts.pop()?;
        let namespace = parts.first()?;
        let namespace = if *namespace == "_" { own } else { namespace }.to_owned();
        match parts.as_slice() {
            [_] => Some((namespace, Self::new("", name))),
            [_, package] => Some((namespace, Self::new(package, name))),
            _ => None,
        }
    }

    /// Returns `name` or `package/name`.
    pub fn path(&self) -> Cow<'_, str> {
        if self.package.is_empty() {
            Cow::Borrowed(&self.name)
        } else {
            Cow::Owned(format!("{}/{}", self.package, self.name))
        }
    }

    /// Returns the `namespace` of its JSON: the namespace, with the package of an action.
    pub fn namespace_path(&self, namespace: &str) -> String {
        if self.package.is_empty() {
            namespace.to_owned()
        } else {
            format!("{namespace}/{}", self.package)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_a_path() {
        for name in ["a", "_", "9", "a b", "a.wasm", "me@example.com", "a&b-c"] {
            assert_eq!(check(name), Ok(name));
        }
        for name in ["", ".", "..", "-a", "a ", "a/b", "a\0", "a\n", "é", "a\\b", "a%2fb"] {
            assert_eq!(check(name), Err(NameError::Illegal), "{name:?}");
        }
        assert_eq!(check(&"x".repeat(257)), Err(NameError::TooLong(257)));
    }

    #[test]
    fn a_qualified_name_has_two_or_three_parts() {
        let parse = |text| EntityName::parse_qualified(text, "mine");
        assert_eq!(parse("/_/a"), Some(("mine".into(), EntityName::new("", "a"))));
        assert_eq!(parse("other/p/a"), Some(("other".into(), EntityName::new("p", "a"))));
        for wrong in ["a", "/a", "/_/p/a/b", "/_/../a", "//a"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
