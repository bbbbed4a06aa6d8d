//! Name of an action, which is also the name of its project's folder and package.

use super::{Language, ProjectError};

const MAX: usize = 63;

/// Keywords of Rust, which cargo does not accept as the name of a package.
const RUST_WORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Crates that come with Rust, whose names a package cannot have.
const RUST_CRATES: &[&str] = &["alloc", "core", "proc-macro", "std", "test"];

/// Checks that callers can use `name` and that the language's tools accept it.
///
/// # Errors
/// The name is not valid: the error describes valid names, and proposes one.
pub fn check(name: &str, language: Language) -> Result<(), ProjectError> {
    let Some(why) = fault(name, language) else { return Ok(()) };
    Err(ProjectError::Name {
        name: name.chars().take(80).collect(),
        language: language.title(),
        why,
        instead: valid(name, language),
    })
}

/// Returns the reason why `name` cannot be used; `None` if it can.
fn fault(name: &str, language: Language) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > MAX || name.starts_with('-') || !name.chars().all(allowed) {
        return Some("a name is 1 to 63 of a-z, 0-9 and `-`, and does not begin with `-`");
    }
    match language {
        Language::Rust if name.starts_with(|c: char| c.is_ascii_digit()) => {
            Some("a Rust package's name does not begin with a digit")
        }
        Language::Rust if RUST_WORDS.contains(&name) => Some("it is a keyword of Rust"),
        Language::Rust if RUST_CRATES.contains(&name) => {
            Some("it is the name of a crate that comes with Rust, and cargo does not accept it")
        }
        _ => None,
    }
}

/// Returns a valid name that is like `name`: `my-action` for `my_action` and `MyAction`.
fn valid(name: &str, language: Language) -> String {
    let mut valid = String::new();
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_lower {
            valid.push('-');
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => valid.push(c),
            _ if valid.is_empty() || valid.ends_with('-') => {}
            _ => valid.push('-'),
        }
    }
    valid.truncate(MAX - "-action".len());
    let valid = valid.trim_end_matches('-');
    if valid.is_empty() {
        return "my-action".to_owned();
    }
    match fault(valid, language) {
        None => valid.to_owned(),
        Some(_) if valid.starts_with(|c: char| c.is_ascii_digit()) => format!("action-{valid}"),
        Some(_) => format!("{valid}-action"),
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

    #[test]
    fn a_name_that_cannot_be_used_proposes_one_that_can() {
        for (name, instead) in [
            ("my_action", "my-action"),
            ("MyAction", "my-action"),
            ("My Action", "my-action"),
            ("HTTPProxy2Fast", "httpproxy2-fast"),
            ("내-동작", "my-action"),
            ("détecteur", "d-tecteur"),
            ("-a-", "a"),
            ("test", "test-action"),
            ("1a", "action-1a"),
            ("", "my-action"),
        ] {
            let error = check(name, Language::Rust).unwrap_err();
            assert!(
                matches!(&error, ProjectError::Name { instead: is, .. } if is == instead),
                "{name}: {error:?}"
            );
            check(instead, Language::Rust).unwrap();
        }
        let long = check(&"x_".repeat(64), Language::Rust).unwrap_err();
        let ProjectError::Name { instead, .. } = long else { panic!("{long}") };
        check(&instead, Language::Rust).unwrap();
        let told = check("test", Language::Rust).unwrap_err().to_string();
        assert!(told.contains("a crate that comes with Rust"), "{told}");
        check("test", Language::Python).unwrap();
    }
}
