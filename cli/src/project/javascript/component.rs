//! The component of a function: its bundle, evaluated by an engine, whose memory the component
//! keeps.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use keynet_base::{Config, Digest, FileCache};
use serde::Deserialize;
use serde_json::{Value, json};

use super::toolchain::Toolchain;
use super::{Function, JavaScriptError};
use crate::errors::ExpectedError;
use crate::project::embedded::{JAVASCRIPT_SDK, RUST_SDK};
use crate::project::finish::{self, MANIFEST};
use crate::project::{Built, unpacking};
use crate::ui::progress::Steps;

/// What a bundle imports that works on pictures.
const IMAGING: &[u8] = b"keynet:imaging/";

/// What the build's script prints.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Option<Report>,
}

/// What failed; `toolchain/build.mjs` writes it.
#[derive(Debug, Deserialize)]
struct Report {
    kind: String,
    at: String,
    text: String,
}

/// Builds a function with what its `keynet.toml` asks for, unless its bundle was built before.
///
/// # Errors
/// There is no Node.js or no network where they are needed, or the function's module cannot be
/// bundled or evaluated.
pub fn build(function: &Function, config: &Config, steps: Steps) -> Result<Built, ExpectedError> {
    let toolchain = Toolchain::new(function.manifest().engine(), config)?;
    toolchain.prepare(steps)?;
    let work = tempfile::tempdir().map_err(ExpectedError::io_on("make", "a temporary folder"))?;
    let build = Build { function, toolchain: &toolchain, work: work.path() };
    let bundle = build.bundle()?;
    let cache = FileCache::new(toolchain.cache().join("components"), config.cache_size / 4);
    let path = cache.path(format!("{}.wasm", build.key(&bundle)?));
    if let Ok(bytes) = fs::read(&path) {
        cache.used(&path);
        return Ok(Built { path, bytes });
    }
    let bytes = {
        let _step =
            steps.begin(&format!("building {} into a component", function.module().display()));
        build.componentize(&bundle)?
    };
    let bytes = finish::finished(bytes, &function.folder().join(MANIFEST), config, steps)?;
    cache
        .keep(&path, |mut file| file.write_all(&bytes))
        .map_err(ExpectedError::io("write", &path))?;
    Ok(Built { path, bytes })
}

/// A build under way.
struct Build<'a> {
    function: &'a Function,
    toolchain: &'a Toolchain,
    work: &'a Path,
}

impl Build<'_> {
    /// Makes one file of the function's module and what it imports.
    fn bundle(&self) -> Result<PathBuf, ExpectedError> {
        let output = self.work.join("bundle.js");
        self.run(json!({
            "command": "bundle",
            "project": self.function.folder(),
            "entry": self.function.module(),
            "output": output,
        }))?;
        Ok(output)
    }

    /// Makes the component of the bundle.
    fn componentize(&self, bundle: &Path) -> Result<Vec<u8>, ExpectedError> {
        let output = self.work.join("action.wasm");
        self.run(json!({
            "command": "componentize",
            "bundle": bundle,
            "wit": self.toolchain.sdk().join("wit"),
            "output": output,
        }))?;
        fs::read(&output).map_err(ExpectedError::io("read", &output))
    }

    /// Everything that decides about the component.
    fn key(&self, bundle: &Path) -> Result<String, ExpectedError> {
        let read = |path: &Path| fs::read(path).map_err(ExpectedError::io("read", path));
        let bundle = read(bundle)?;
        // The imaging library is built from the sources that the Rust SDK is carried with.
        let imaging = bundle.windows(IMAGING.len()).any(|text| text == IMAGING);
        let ask = self.function.folder().join(MANIFEST);
        let ask = if ask.exists() { Digest::of(&read(&ask)?).hex() } else { String::new() };
        let parts = [
            Digest::of(&bundle).hex(),
            self.toolchain.engine().name().to_owned(),
            unpacking::content_hash(JAVASCRIPT_SDK),
            if imaging { unpacking::content_hash(RUST_SDK) } else { String::new() },
            ask,
        ];
        let key = Digest::of(parts.join("\n").as_bytes()).hex();
        Ok(key.get(..32).unwrap_or(&key).to_owned())
    }

    /// Runs the build's script.
    fn run(&self, mut options: Value) -> Result<(), ExpectedError> {
        if let Value::Object(options) = &mut options {
            options.insert("engine".to_owned(), self.toolchain.engine().name().into());
            options.insert("tools".to_owned(), json!(self.toolchain.folder()));
        }
        let mut script = self.toolchain.script(self.work)?;
        let ended = script.arg(options.to_string()).output();
        let ended = ended.map_err(ExpectedError::io_on("start", "Node.js"))?;
        let stdout = String::from_utf8_lossy(&ended.stdout);
        let last = stdout.trim_end().lines().last().unwrap_or_default();
        match serde_json::from_str::<Answer>(last) {
            Ok(Answer { error: None }) if ended.status.success() => Ok(()),
            Ok(Answer { error: Some(report) }) => Err(self.failed(report).into()),
            _ => {
                let said = String::from_utf8_lossy(&ended.stderr).into_owned();
                Err(JavaScriptError::Tool { file: self.file(), said }.into())
            }
        }
    }

    fn file(&self) -> String {
        self.function.module().display().to_string()
    }

    fn failed(&self, report: Report) -> JavaScriptError {
        let Report { kind, at, text } = report;
        match kind.as_str() {
            "syntax" => JavaScriptError::Syntax { at, text },
            "module" => {
                let name = package_of(&text).to_owned();
                let required = self.function.manifest().depends_on(&name);
                let folder = self.function.folder().to_owned();
                JavaScriptError::Module { at, name, required, folder }
            }
            "file" => JavaScriptError::File { at, name: text },
            "builtin" => JavaScriptError::Builtin { at, text },
            "action" => JavaScriptError::NoFunction { file: self.file(), text },
            "exception" => JavaScriptError::Exception { file: self.file(), text },
            "other" => JavaScriptError::Bundle { at, text },
            _ => JavaScriptError::Tool { file: self.file(), said: text },
        }
    }
}

/// The package that a module of this name is in.
fn package_of(module: &str) -> &str {
    let parts = if module.starts_with('@') { 2 } else { 1 };
    let end = module.match_indices('/').nth(parts - 1).map_or(module.len(), |(at, _)| at);
    module.get(..end).unwrap_or(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_belong_to_packages() {
        assert_eq!(package_of("pngjs/lib/png"), "pngjs");
        assert_eq!(package_of("@scope/name/deep/er"), "@scope/name");
        assert_eq!((package_of("pngjs"), package_of("@scope/name")), ("pngjs", "@scope/name"));
    }
}
