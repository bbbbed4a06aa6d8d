//! Names of actions: `name`, `package/name`, `/namespace/name`, `/namespace/package/name`.

use std::fmt;
use std::str::FromStr;

/// Largest length of a part of a name in bytes.
pub const MAX_PART: usize = 256;

/// Name of an action, optionally with its namespace and package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionName {
    /// Namespace; `None` if the name does not contain one.
    pub namespace: Option<String>,
    /// Package; `None` for the namespace's default package.
    pub package: Option<String>,
    /// Name of the action itself.
    pub name: String,
}

impl ActionName {
    /// Returns `name` or `package/name`.
    pub fn local(&self) -> String {
        match &self.package {
            Some(package) => format!("{package}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl FromStr for ActionName {
    type Err = String;

    /// Parses a name as `wsk` does: three parts need no leading slash.
    fn from_str(text: &str) -> Result<Self, String> {
        let (rooted, rest) = text.strip_prefix('/').map_or((false, text), |rest| (true, rest));
        let parts: Vec<_> = rest.split('/').collect();
        parts.iter().try_for_each(|part| check(part))?;
        let (namespace, package, name) = match (rooted, parts.as_slice()) {
            (false, [name]) => (None, None, *name),
            (false, [package, name]) => (None, Some(*package), *name),
            (true, [namespace, name]) => (Some(*namespace), None, *name),
            (_, [namespace, package, name]) => (Some(*namespace), Some(*package), *name),
            _ => {
                return Err(format!(
                    "{text:?} is not an action's name: name, package/name or \
                        /namespace/package/name"
                ));
            }
        };
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            package: package.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "/{namespace}/{}", self.local()),
            None => f.write_str(&self.local()),
        }
    }
}

/// Reports whether a text is a part of a name by OpenWhisk's rule (its `EntityName`): a letter, a
/// digit or an underscore, then those, `@`, `.`, `&`, `-` and spaces, but no space at the end, and
/// at most [`MAX_PART`] bytes.
pub fn is_part(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inner = |c: char| first(c) || matches!(c, '@' | ' ' | '.' | '&' | '-');
    text.starts_with(first)
        && text.chars().all(inner)
        && !text.ends_with(' ')
        && text.len() <= MAX_PART
}

fn check(part: &str) -> Result<(), String> {
    let why = "1 to 256 of a-z, A-Z, 0-9, `_`, `@`, `.`, `&`, `-` and spaces inside, beginning \
        with a letter, a digit or `_`";
    if is_part(part) {
        Ok(())
    } else {
        Err(format!("{part:?} cannot be a part of an action's name: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_wsk_reads_them() {
        let read = |text: &str| {
            let name: ActionName = text.parse().unwrap();
            (name.namespace.unwrap_or_default(), name.package.unwrap_or_default(), name.name)
        };
        let parts = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(read("hello"), parts("", "", "hello"));
        assert_eq!(read("pkg/hello"), parts("", "pkg", "hello"));
        assert_eq!(read("/guest/hello"), parts("guest", "", "hello"));
        assert_eq!(read("/_/pkg/he llo@1"), parts("_", "pkg", "he llo@1"));
        assert_eq!(read("guest/pkg/hello"), parts("guest", "pkg", "hello"));
        assert_eq!("/a/b/c".parse::<ActionName>().unwrap().to_string(), "/a/b/c");
        for wrong in [
            "",
            "/",
            "/hello",
            "a//b",
            "a/b/c/d",
            ".",
            "a/..",
            "a?b",
            "-a",
            "a ",
            &"x".repeat(257),
            "é",
        ] {
            assert!(wrong.parse::<ActionName>().is_err(), "{wrong}");
        }
    }
}
