//! Filling a template: `{{name}}` is the action's name, `{{sdk}}` what its manifest or requirements
//! name.
//!
//! A name in a template that a tool would stumble over has an ending of its own:
//! `Cargo.toml.template`, `gitignore.template` and so on lose `.template`, and `gitignore` gets its
//! dot.

use std::path::Path;

use super::Language;
use crate::errors::ExpectedError;
use crate::project::embedded::{File, TEMPLATES};

/// What the placeholders stand for.
#[derive(Debug)]
pub struct Values<'a> {
    /// The action's name.
    pub name: &'a str,
    /// The SDK, as the language's manifest writes a dependency.
    pub sdk: &'a str,
}

/// Writes the files of `language`'s template into `folder`.
///
/// # Errors
/// One cannot be written.
pub fn write(language: Language, values: &Values<'_>, folder: &Path) -> Result<(), ExpectedError> {
    for (path, file) in files(language) {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(ExpectedError::io("make", parent))?;
        }
        std::fs::write(&path, fill(file.bytes, values))
            .map_err(ExpectedError::io("write", &path))?;
    }
    Ok(())
}

/// The template's files, by what they are called in a project.
fn files(language: Language) -> impl Iterator<Item = (String, &'static File)> {
    let folder = format!("{}/", language.template());
    TEMPLATES.iter().filter_map(move |file| Some((target(file.path.strip_prefix(&folder)?), file)))
}

fn target(path: &str) -> String {
    let path = path.strip_suffix(".template").unwrap_or(path);
    match path.rsplit_once('/') {
        Some((folder, "gitignore")) => format!("{folder}/.gitignore"),
        None if path == "gitignore" => ".gitignore".to_owned(),
        _ => path.to_owned(),
    }
}

/// Replaces the placeholders of a text; anything else, a picture for one, stays as it is.
fn fill(bytes: &[u8], values: &Values<'_>) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            text.replace("{{name}}", values.name).replace("{{sdk}}", values.sdk).into_bytes()
        }
        Err(_) => bytes.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_everywhere() {
        let values = Values { name: "hello", sdk: "\"0.1\"" };
        assert_eq!(
            fill(b"name = \"{{name}}\"\nsdk = {{sdk}} # {{name}}", &values),
            b"name = \"hello\"\nsdk = \"0.1\" # hello"
        );
        assert_eq!(fill(b"\xff{{name}}", &values), b"\xff{{name}}");
        assert_eq!(fill(b"{ {name} }", &values), b"{ {name} }");
    }

    #[test]
    fn names_lose_what_hides_them_from_tools() {
        assert_eq!(target("Cargo.toml.template"), "Cargo.toml");
        assert_eq!(
            [target("gitignore"), target("a/gitignore.template"), target("src/lib.rs")],
            [".gitignore", "a/.gitignore", "src/lib.rs"]
        );
    }

    #[test]
    fn every_language_has_a_template_without_unknown_placeholders() {
        let values = Values { name: "n", sdk: "s" };
        for language in <Language as clap::ValueEnum>::value_variants() {
            assert!(files(*language).count() > 0, "{language:?}");
            for (path, file) in files(*language) {
                let filled = String::from_utf8_lossy(&fill(file.bytes, &values)).into_owned();
                assert!(!filled.contains("{{"), "{path}");
            }
        }
    }
}
