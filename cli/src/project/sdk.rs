//! The Rust SDK that new projects depend on: a published version, or the one this binary carries,
//! unpacked into the user's cache.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ProjectError, unpacking};
use crate::errors::ExpectedError;
use crate::project::embedded::RUST_SDK;

/// The version of the SDK on crates.io that fits, once there is one.
const PUBLISHED_SDK: Option<&str> = None;

/// The name of its package.
const PACKAGE: &str = "keynet-inference-sdk";

/// Where the package is in what is unpacked.
const PACKAGE_FOLDER: &str = "guest-sdk/rust";

/// The dependency as a manifest writes it: `"0.1.0"` or `{ path = "…" }`.
///
/// # Errors
/// The cache cannot be written.
pub fn dependency(cache: &Path) -> Result<String, ExpectedError> {
    let value = match PUBLISHED_SDK {
        Some(version) => Value::String(version.to_owned()),
        None => {
            let path = unpacked(cache)?;
            let Some(text) = path.to_str() else {
                let source = io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a Cargo.toml holds UTF-8 only; set KEYNET_CACHE to another folder",
                );
                return Err(ExpectedError::io("depend on the SDK in", &path)(source));
            };
            Value::Table(Table::from_iter([("path".to_owned(), Value::String(text.to_owned()))]))
        }
    };
    Ok(value.to_string())
}

/// Sees to it that the SDK a project depends on is there: the cache may have been emptied since.
///
/// # Errors
/// It was that of another version of this program, and is gone.
pub fn restore(project: &Path, cache: &Path) -> Result<(), ExpectedError> {
    let Some(path) = depended_on(&project.join("Cargo.toml")) else { return Ok(()) };
    if !path.is_absolute() || path.join("Cargo.toml").exists() {
        return Ok(());
    }
    let instead = unpacked(cache)?;
    if instead == path { Ok(()) } else { Err(ProjectError::SdkGone { path, instead }.into()) }
}

/// The path of a manifest's dependency on the SDK. What is wrong with a manifest is for cargo to
/// say.
fn depended_on(manifest: &Path) -> Option<PathBuf> {
    let manifest: Table = fs::read_to_string(manifest).ok()?.parse().ok()?;
    let path = manifest.get("dependencies")?.get(PACKAGE)?.get("path")?.as_str()?;
    Some(path.into())
}

/// The folder of the package, unpacked below `cache`.
fn unpacked(cache: &Path) -> Result<PathBuf, ExpectedError> {
    Ok(unpacking::unpacked(RUST_SDK, &cache.join("sdk"))?.join(PACKAGE_FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_carried_whole() {
        let paths: Vec<_> = RUST_SDK.iter().map(|file| file.path).collect();
        for path in [
            "Cargo.toml",
            "LICENSE",
            "guest-sdk/rust/Cargo.toml",
            "guest-sdk/rust/src/lib.rs",
            "guest-sdk/rust/macros/src/lib.rs",
            "guest-sdk/imaging/fonts/inter-semibold-latin1.otf",
            "guest-sdk/imaging/wit/imaging.wit",
            "guest-sdk/imaging/component/Cargo.lock",
        ] {
            assert!(paths.contains(&path), "{path}");
        }
        assert!(paths.contains(&"guest-sdk/rust/wit/world.wit"));
        assert!(!paths.iter().any(|path| path.contains("/target/")), "{paths:?}");
    }

    #[test]
    fn its_workspace_has_what_it_inherits() {
        let manifest = RUST_SDK.iter().find(|file| file.path == "Cargo.toml").unwrap();
        let manifest: Table = std::str::from_utf8(manifest.bytes).unwrap().parse().unwrap();
        let workspace = &manifest["workspace"];
        assert_eq!(workspace["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(
            workspace["dependencies"]["keynet-inference-sdk-macros"]["path"].as_str(),
            Some("guest-sdk/rust/macros")
        );
        assert!(workspace["dependencies"].get("wasmtime").is_none());
    }

    #[test]
    fn it_is_unpacked_once_by_many_at_once() {
        let cache = tempfile::tempdir().unwrap();
        let folders: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| unpacked(cache.path()).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(
            folders
                .iter()
                .all(|folder| *folder == folders[0] && folder.join("wit/world.wit").exists())
        );
        let left: Vec<_> = fs::read_dir(cache.path().join("sdk"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_damaged_sdk_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpacked(cache.path()).unwrap();
        fs::write(folder.join("Cargo.toml"), "half").unwrap();
        fs::remove_file(folder.join("src/lib.rs")).unwrap();
        assert_eq!(unpacked(cache.path()).unwrap(), folder);
        assert!(folder.join("src/lib.rs").exists());
        assert_ne!(fs::read(folder.join("Cargo.toml")).unwrap(), b"half");
        assert_eq!(fs::read_dir(cache.path().join("sdk")).unwrap().count(), 1);
    }

    #[test]
    fn a_project_gets_its_sdk_back() {
        let (cache, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let manifest = |dependency: &str| {
            fs::write(
                project.path().join("Cargo.toml"),
                format!("[dependencies]\nkeynet-inference-sdk = {dependency}\n"),
            )
            .unwrap();
        };
        manifest(&dependency(cache.path()).unwrap());
        fs::remove_dir_all(cache.path().join("sdk")).unwrap();
        restore(project.path(), cache.path()).unwrap();
        assert!(unpacked(cache.path()).unwrap().join("Cargo.toml").exists());
        manifest("{ path = \"/no/such/sdk\" }");
        let error = restore(project.path(), cache.path()).unwrap_err();
        assert_eq!(error.to_string(), "the project's SDK is not at /no/such/sdk any more");
        manifest("\"0.1\"");
        restore(project.path(), cache.path()).unwrap();
    }
}
