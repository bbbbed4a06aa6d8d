//! The SDK in a project's own folder: a project builds, tests and opens in an editor on any machine,
//! whatever is in the cache. Where a registry has the SDK, the manifest names its version instead.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::draft::Draft;
use super::embedded::{C_SDK, File, GO_SDK, JAVASCRIPT_SDK, PYTHON_SDK, RUST_SDK};
use super::{Language, ProjectError, unpacking};
use crate::errors::ExpectedError;

/// Folder of the SDK in a project, in every language. Not below `vendor`, which Go takes for copies
/// of all modules.
pub const FOLDER: &str = "keynet-sdk";

/// File in that folder with the version of the SDK, and a hash of its files.
const STAMP: &str = "VERSION";

/// Compatible version of the Rust SDK on crates.io; `None` until one is published.
const PUBLISHED_SDK: Option<&str> = None;

/// Name of the Rust SDK's package, and its folder in the SDK.
const PACKAGE: &str = "keynet-inference-sdk";
const PACKAGE_FOLDER: &str = "rust";

/// SDK in a project that is not the one of this program.
#[derive(Debug, PartialEq, Eq)]
pub struct OtherSdk {
    /// Version of the project's SDK, with the hash of its files.
    pub project: String,
    /// Version of this program's SDK.
    pub program: String,
}

/// Returns the dependency on the SDK as the language's manifest writes it, such as `"0.1"` or
/// `{ path = "keynet-sdk/rust" }`.
pub fn dependency(language: Language) -> String {
    match (language, PUBLISHED_SDK) {
        (Language::Rust, Some(version)) => Value::String(version.to_owned()).to_string(),
        (Language::Rust, None) => format!("{{ path = \"{FOLDER}/{PACKAGE_FOLDER}\" }}"),
        (Language::TypeScript | Language::JavaScript, _) => format!("file:./{FOLDER}"),
        _ => format!("./{FOLDER}"),
    }
}

/// Writes the SDK into the folder of a new project, unless a registry has it.
///
/// # Errors
/// A file cannot be written.
pub fn write(language: Language, project: &Path) -> Result<(), ExpectedError> {
    if language == Language::Rust && PUBLISHED_SDK.is_some() {
        return Ok(());
    }
    fill(language, &project.join(FOLDER))
}

/// Replaces the SDK in a project's folder by that of this program, and returns its version.
///
/// # Errors
/// The project takes its SDK from elsewhere, or a file cannot be written.
pub fn update(language: Language, project: &Path) -> Result<String, ExpectedError> {
    let manifest = project.join("Cargo.toml");
    let moved = if language == Language::Rust { cached_path(&manifest) } else { None };
    let folder = project.join(FOLDER);
    if moved.is_none() && !folder.join(STAMP).is_file() {
        return Err(ProjectError::NoSdkFolder(project.to_owned()).into());
    }
    let draft = Draft::of(&folder)?;
    fill(language, draft.path())?;
    draft.replace()?;
    if let Some(path) = moved {
        let text = fs::read_to_string(&manifest).map_err(ExpectedError::io("read", &manifest))?;
        let text = text.replacen(&path, &format!("{FOLDER}/{PACKAGE_FOLDER}"), 1);
        fs::write(&manifest, text).map_err(ExpectedError::io("write", &manifest))?;
    }
    Ok(stamp(language))
}

/// Returns the versions if the project's SDK is not that of this program; `None` if it is, or if
/// the project takes its SDK from elsewhere.
pub fn other(language: Language, project: &Path) -> Option<OtherSdk> {
    let found = fs::read_to_string(project.join(FOLDER).join(STAMP)).ok()?;
    let other = OtherSdk { project: found.trim().to_owned(), program: stamp(language) };
    (other.project != other.program).then_some(other)
}

impl OtherSdk {
    /// Returns a note for the user: the two versions, and how to bring them together.
    pub fn note(&self) -> String {
        let Self { project, program } = self;
        let next = match numbers(project).cmp(&numbers(program)) {
            Ordering::Greater => "update keynet-inference".to_owned(),
            _ => format!("`keynet-inference build --update-sdk` replaces {FOLDER}"),
        };
        format!("the project's SDK is {project}, this keynet-inference has {program}: {next}")
    }
}

/// Checks that the folder of a Rust project's SDK exists: projects of earlier versions depend on a
/// folder of their author's cache.
///
/// # Errors
/// The folder does not exist.
pub fn check(project: &Path) -> Result<(), ProjectError> {
    match cached_path(&project.join("Cargo.toml")) {
        Some(path) if !Path::new(&path).join("Cargo.toml").exists() => {
            Err(ProjectError::SdkGone(PathBuf::from(path)))
        }
        _ => Ok(()),
    }
}

/// Returns the absolute path by which a manifest depends on the SDK. An invalid manifest gives
/// `None`: cargo reports what is wrong with it.
fn cached_path(manifest: &Path) -> Option<String> {
    let manifest: Table = fs::read_to_string(manifest).ok()?.parse().ok()?;
    let path = manifest.get("dependencies")?.get(PACKAGE)?.get("path")?.as_str()?;
    Path::new(path).is_absolute().then(|| path.to_owned())
}

fn fill(language: Language, folder: &Path) -> Result<(), ExpectedError> {
    let files = files(language).map(|file| (file.path, file.bytes));
    unpacking::write(files, folder)?;
    unpacking::write([(STAMP, format!("{}\n", stamp(language)))], folder)
}

/// Returns the version of this program's SDK, with a hash of its files.
fn stamp(language: Language) -> String {
    format!("{} ({})", env!("CARGO_PKG_VERSION"), unpacking::content_hash(files(language)))
}

/// Returns the files that a project needs, without those by which this program builds components.
fn files(language: Language) -> impl Iterator<Item = &'static File> {
    let (files, build_only): (_, &[&str]) = match language {
        Language::Rust => (RUST_SDK, &["imaging/component/", "imaging/wit/"]),
        Language::Python => (PYTHON_SDK, &["toolchain/", "wheels/", "wit/"]),
        Language::TypeScript | Language::JavaScript => {
            (JAVASCRIPT_SDK, &["dist/component/", "toolchain/", "wit/"])
        }
        Language::Go => (GO_SDK, &[]),
        Language::C | Language::Cpp => (C_SDK, &[]),
    };
    files.iter().filter(move |file| !build_only.iter().any(|folder| file.path.starts_with(folder)))
}

/// Returns the numbers of a version, for comparison.
fn numbers(version: &str) -> Vec<u64> {
    let version = version.split_whitespace().next().unwrap_or_default();
    version.split('.').map(|number| number.parse().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_language_has_its_sdk_whole_and_nothing_of_the_build() {
        let expected: [(Language, &[&str]); 6] = [
            (
                Language::Rust,
                &[
                    "rust/Cargo.toml",
                    "rust/src/host/component/bindings.rs",
                    "rust/macros/src/lib.rs",
                    "imaging/fonts/inter-semibold-latin1.otf",
                ],
            ),
            (Language::Python, &["pyproject.toml", "src/keynet_inference/__init__.py"]),
            (Language::JavaScript, &["package.json", "dist/index.d.ts", "dist/testing.js"]),
            (Language::TypeScript, &["package.json", "dist/index.d.ts", "dist/testing.js"]),
            (Language::Go, &["go.mod", "keynettest/keynettest.go"]),
            (Language::Cpp, &["include/keynet.hpp", "testing/tests.mk"]),
        ];
        for (language, expected) in expected {
            let paths: Vec<_> = files(language).map(|file| file.path).collect();
            for path in expected.iter().chain(&["LICENSE"]) {
                assert!(paths.contains(path), "{language:?}: {path}");
            }
            let extra = |path: &&&str| path.contains("toolchain") || path.contains("target/");
            assert_eq!(paths.iter().find(extra), None, "{language:?}");
        }
    }

    #[test]
    fn the_packages_of_the_rust_sdk_need_no_workspace() {
        for file in RUST_SDK.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
            let text = std::str::from_utf8(file.bytes).unwrap();
            let manifest: Table = text.parse().unwrap();
            assert!(!text.contains("workspace = true"), "{}: {text}", file.path);
            assert!(!manifest.contains_key("dev-dependencies"), "{}", file.path);
        }
        let manifest = RUST_SDK.iter().find(|file| file.path == "rust/Cargo.toml").unwrap();
        let manifest: Table = std::str::from_utf8(manifest.bytes).unwrap().parse().unwrap();
        assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        let dependencies = &manifest["dependencies"];
        let macros = &dependencies["keynet-inference-sdk-macros"];
        assert_eq!(macros["path"].as_str(), Some("../rust/macros"));
        assert_eq!(dependencies["serde"]["features"][0].as_str(), Some("derive"));
        assert_eq!(dependencies["tracing"]["optional"].as_bool(), Some(true));
        assert_eq!(dependencies["tracing"]["features"][0].as_str(), Some("log"));
    }

    #[test]
    fn a_projects_older_sdk_is_noticed_and_updated() {
        for language in Language::value_variants() {
            let project = tempfile::tempdir().unwrap();
            write(*language, project.path()).unwrap();
            assert_eq!(other(*language, project.path()), None);
            let stamp_file = project.path().join(FOLDER).join(STAMP);
            fs::write(&stamp_file, "0.0.9 (0123456789ab)\n").unwrap();
            fs::write(project.path().join(FOLDER).join("gone"), "of the older one").unwrap();
            let older = other(*language, project.path()).unwrap();
            assert_eq!(older.project, "0.0.9 (0123456789ab)");
            assert!(
                older.note().ends_with("`keynet-inference build --update-sdk` replaces keynet-sdk")
            );
            assert_eq!(update(*language, project.path()).unwrap(), older.program);
            assert_eq!(other(*language, project.path()), None);
            assert!(!project.path().join(FOLDER).join("gone").exists());
            fs::write(&stamp_file, "99.0.0 (0123456789ab)\n").unwrap();
            let newer = other(*language, project.path()).unwrap();
            assert!(newer.note().ends_with("update keynet-inference"), "{}", newer.note());
        }
    }

    #[test]
    fn a_project_whose_sdk_was_in_a_cache_gets_its_own() {
        let project = tempfile::tempdir().unwrap();
        let manifest = project.path().join("Cargo.toml");
        let depend = |dependency: &str| {
            let text = format!("[dependencies] # mine\nkeynet-inference-sdk = {dependency}\n");
            fs::write(&manifest, text).unwrap();
        };
        depend("{ path = \"/no/such/sdk\" }");
        let error = ExpectedError::from(check(project.path()).unwrap_err());
        assert!(error.one_line().contains("/no/such/sdk"), "{}", error.one_line());
        update(Language::Rust, project.path()).unwrap();
        check(project.path()).unwrap();
        assert_eq!(
            fs::read_to_string(&manifest).unwrap(),
            format!(
                "[dependencies] # mine\nkeynet-inference-sdk = {}\n",
                dependency(Language::Rust)
            )
        );
        assert!(project.path().join("keynet-sdk/rust/Cargo.toml").is_file());

        // By its version from a registry: there is nothing to update here.
        fs::remove_dir_all(project.path().join(FOLDER)).unwrap();
        depend("\"0.1\"");
        check(project.path()).unwrap();
        assert_eq!(other(Language::Rust, project.path()), None);
        let error = update(Language::Rust, project.path()).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(ProjectError::NoSdkFolder(_))));
    }
}
