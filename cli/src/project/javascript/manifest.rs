//! A project's `package.json`: what it depends on, and its `keynet` settings.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::JavaScriptError;
use super::toolchain::Engine;
use crate::errors::ExpectedError;

/// Its name.
pub const FILE: &str = "package.json";

/// The SDK, as projects depend on it.
pub const SDK: &str = "@keynet/inference";

/// The fields that a build reads; npm checks the others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// The module that is run, unless `keynet.main` names another.
    main: Option<String>,
    dependencies: BTreeMap<String, serde_json::Value>,
    dev_dependencies: BTreeMap<String, serde_json::Value>,
    keynet: Settings,
}

/// `"keynet": { … }`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    main: Option<String>,
    engine: Engine,
}

impl Manifest {
    /// Reads the manifest of the project in `folder`; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(folder: &Path) -> Result<Option<Self>, ExpectedError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ExpectedError::io("read", &path)(error)),
        };
        let manifest = serde_json::from_str(&text)
            .map_err(|source| JavaScriptError::Manifest { path, why: source.to_string() })?;
        Ok(Some(manifest))
    }

    /// Whether the project depends on the SDK.
    pub fn depends_on_sdk(&self) -> bool {
        self.depends_on(SDK)
    }

    /// Whether the project depends on the package `name`.
    pub fn depends_on(&self, name: &str) -> bool {
        self.dependencies.contains_key(name) || self.dev_dependencies.contains_key(name)
    }

    /// The engine that it is built for.
    pub fn engine(&self) -> Engine {
        self.keynet.engine
    }

    /// The module that it names as the function's: the one in `keynet`, or `main`.
    pub fn named_module(&self) -> Option<PathBuf> {
        self.keynet.main.as_ref().or(self.main.as_ref()).map(PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Manifest>, ExpectedError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        Manifest::read(folder.path())
    }

    #[test]
    fn the_engine_and_the_module_are_settings() {
        let manifest = read(
            r#"{"name": "x", "main": "a.js", "dependencies": {"@keynet/inference": "file:x"},
                "keynet": {"engine": "spidermonkey", "main": "src/detect.ts"}}"#,
        );
        let manifest = manifest.unwrap().unwrap();
        assert_eq!(
            (manifest.engine(), manifest.named_module()),
            (Engine::SpiderMonkey, Some("src/detect.ts".into()))
        );
        assert!(manifest.depends_on_sdk() && !manifest.depends_on("pngjs"));
        let plain = read(r#"{"main": "a.js"}"#).unwrap().unwrap();
        assert_eq!((plain.engine(), plain.named_module()), (Engine::QuickJs, Some("a.js".into())));
        assert!(Manifest::read(Path::new("no/such")).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_a_setting_is_named() {
        for (text, told) in [
            (r#"{"keynet": {"engine": "v8"}}"#, "unknown variant `v8`"),
            (r#"{"keynet": {"entry": "x.ts"}}"#, "unknown field `entry`"),
            ("{", "package.json cannot be used"),
        ] {
            let error = read(text).unwrap_err().one_line();
            assert!(error.contains(told), "{error}");
        }
    }
}
