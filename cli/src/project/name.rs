//! The name of an action, which its project's folder and package have too.

use super::{Language, ProjectError};

const MAX: usize = 63;

/// Words that cargo and rustc take for something else.
const RUST_WORDS: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Checks that callers can use `name` and that the language's tools take it.
///
/// # Errors
/// Says what a name looks like.
pub fn check(name: &str, language: Language) -> Result<(), ProjectError> {
    let wrong = |why| {
        Err(ProjectError::Name {
            name: name.chars().take(80).collect(),
            language: language.title(),
            why,
        })
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > MAX || name.starts_with('-') || !name.chars().all(allowed) {
        return wrong("a name is 1 to 63 of a-z, 0-9 and `-`, and does not begin with `-`");
    }
    match language {
        Language::Rust if name.starts_with(|c: char| c.is_ascii_digit()) => {
            wrong("a Rust package's name does not begin with a digit")
        }
        Language::Rust if RUST_WORDS.contains(&name) => wrong("it is a word of Rust"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_actions() {
        let check = |name: &str| check(name, Language::Rust);
        for name in ["a", "image-detection", "a1-", &"x".repeat(63)] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "A", "a_b", "a/b", "é", "a.b", &"x".repeat(64), "1a", "match", "std"]
        {
            assert!(check(name).is_err(), "{name}");
        }
        let error = check("My Action").unwrap_err().to_string();
        assert!(
            error.starts_with("\"My Action\" cannot be the name of a Rust action: "),
            "{error}"
        );
    }
}
