//! Templates: fills in `{{name}}` with the action's name, and `{{sdk}}` with the dependency on the
//! SDK for the manifest or the requirements.
//!
//! A file of a template whose name would mislead a tool of this repository has another name:
//! `Cargo.toml.template`, `gitignore.template` and so on lose `.template`, and `gitignore` gets its
//! dot.

use std::path::Path;

use super::{Language, unpacking};
use crate::errors::ExpectedError;
use crate::project::embedded::{File, TEMPLATES};

/// Values of the placeholders.
#[derive(Debug)]
pub struct Values<'a> {
    /// Name of the action.
    pub name: &'a str,
    /// Dependency on the SDK, as the language's manifest writes it.
    pub sdk: &'a str,
}

/// Writes the files of `language`'s template into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn write(language: Language, values: &Values<'_>, folder: &Path) -> Result<(), ExpectedError> {
    unpacking::write(files(language).map(|(path, file)| (path, fill(file.bytes, values))), folder)
}

/// Returns the template's files with their names in a project.
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

/// Replaces the placeholders of a text; a file that is not text, such as a picture, stays as it is.
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
    fn keys_and_stores_stay_out_of_git_in_every_language() {
        for language in <Language as clap::ValueEnum>::value_variants() {
            let ignored = files(*language).find(|(path, _)| path == ".gitignore").unwrap().1.bytes;
            let ignored = std::str::from_utf8(ignored).unwrap();
            for line in ["*.key", "/action.wasm", "/artifacts/", "/models/", "/storage/"] {
                assert!(ignored.lines().any(|rule| rule == line), "{language:?} lacks {line}");
            }
        }
    }

    #[test]
    fn every_language_has_a_template_without_unknown_placeholders() {
        let values = Values { name: "n", sdk: "s" };
        for language in <Language as clap::ValueEnum>::value_variants() {
            assert!(files(*language).count() > 0, "{language:?}");
            for (path, file) in files(*language) {
                let filled = String::from_utf8_lossy(&fill(file.bytes, &values)).into_owned();
                let is_placeholder = |rest: &str| {
                    rest.split_once("}}").is_some_and(|(name, _)| {
                        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                    })
                };
                assert!(!filled.split("{{").skip(1).any(is_placeholder), "{path}");
            }
        }
    }
}
