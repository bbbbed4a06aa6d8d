//! The component of a function: its modules are imported by componentize-py, which keeps the memory
//! that they leave.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use keynet_base::{Config, Digest, FileCache};
use serde::Deserialize;

use super::environment::Environment;
use super::packages::{self, Packages};
use super::requirements::Requirements;
use super::stage::Stage;
use super::{Function, PythonError, late_imports};
use crate::errors::ExpectedError;
use crate::project::Built;
use crate::project::finish::{self, MANIFEST};
use crate::ui::progress::Steps;

/// What the SDK's report of a failure begins with, on a line of its own.
const MARK: &str = "keynet-build: ";

/// What the Python that imports the module calls the folders: componentize-py numbers them as they
/// are named to it.
const ENTRY: &str = "/0";
const PROJECT: &str = "/2";
const PACKAGES: &str = "/3";

/// What the SDK reports of a failure; `keynet_inference/_build.py` writes it.
#[derive(Debug, Deserialize)]
struct Report {
    kind: String,
    text: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "where", default)]
    at: String,
}

/// Builds a function with what its `keynet.toml` asks for, unless nothing has changed since it was
/// built.
///
/// # Errors
/// There is no Python or no network where they are needed, a package cannot be part of a component,
/// or the function's module cannot be imported.
pub fn build(function: &Function, config: &Config, steps: Steps) -> Result<Built, ExpectedError> {
    let environment = Environment::new(config)?;
    let packages = packages::prepare(&Requirements::read(function.folder())?, &environment, steps)?;
    let stage =
        Stage::list(function.folder(), &[&config.embedded_storage.folder, &config.artifacts])?;
    let cache = FileCache::new(environment.cache().join("components"), config.cache_size / 4);
    let path = cache.path(format!("{}.wasm", key(function, &stage, packages.as_ref())?));
    if let Ok(bytes) = fs::read(&path) {
        cache.used(&path);
        return Ok(Built { path, bytes });
    }
    environment.prepare(steps)?;
    let work = tempfile::tempdir().map_err(ExpectedError::io_on("make", "a temporary folder"))?;
    stage.copy(&work.path().join("project"))?;
    let bytes = {
        let _step = steps.begin(&format!("building {} into a component", function.file_name()));
        componentize(function, work.path(), packages.as_ref(), &environment)?
    };
    let bytes = finish::with_manifest(bytes, &function.folder().join(MANIFEST))?;
    cache
        .keep(&path, |mut file| file.write_all(&bytes))
        .map_err(ExpectedError::io("write", &path))?;
    Ok(Built { path, bytes })
}

/// Everything that decides about the component.
fn key(
    function: &Function,
    stage: &Stage,
    packages: Option<&Packages>,
) -> Result<String, ExpectedError> {
    let parts = [
        function.module().to_owned(),
        stage.digest()?.hex(),
        packages.map_or(String::new(), |packages| packages.folder().display().to_string()),
        Environment::hash_of(""),
    ];
    let key = Digest::of(parts.join("\n").as_bytes()).hex();
    Ok(key.get(..32).unwrap_or(&key).to_owned())
}

/// Runs componentize-py in `work`, which holds the copied project. It sees no variables: what the
/// module reads is part of the component.
fn componentize(
    function: &Function,
    work: &Path,
    packages: Option<&Packages>,
    environment: &Environment,
) -> Result<Vec<u8>, ExpectedError> {
    let make =
        |folder: &Path| fs::create_dir_all(folder).map_err(ExpectedError::io("make", folder));
    let entry = work.join("entry");
    make(&entry)?;
    late_imports::write(&work.join("project"), &entry.join("project.json"), environment)?;
    if let Some(packages) = packages {
        let (from, to) = (packages.late_imports(), entry.join("packages.json"));
        fs::copy(&from, to).map_err(ExpectedError::io("copy", &from))?;
    }
    let entry_file = entry.join("keynet_entry.py");
    fs::write(&entry_file, entry_text(function, packages.is_some()))
        .map_err(ExpectedError::io("write", &entry_file))?;
    // Without an environment that it finds no packages in, it would take the user's own.
    let nothing = work.join("no-environment");
    make(&nothing.join("lib/site-packages"))?;
    let output = work.join("action.wasm");
    let mut python = environment.python();
    python.env_clear().env("VIRTUAL_ENV", &nothing).env("TMPDIR", work).current_dir(work);
    python.args([
        "-c",
        "import sys, componentize_py\nsys.exit(componentize_py.script())",
        "--quiet",
    ]);
    python.arg("--wit-path").arg(environment.sdk().join("wit")).args([
        "--world",
        "action",
        "componentize",
        "keynet_entry",
    ]);
    let folders = [&entry, &environment.sdk().join("src"), &work.join("project")];
    for folder in folders.into_iter().chain(packages.map(Packages::folder).as_ref()) {
        python.arg("--python-path").arg(folder);
    }
    let ended = python.arg("--output").arg(&output).stdin(Stdio::null()).output();
    let ended = ended.map_err(ExpectedError::io_on("start", "componentize-py"))?;
    if !ended.status.success() {
        let said = [ended.stdout, ended.stderr].concat();
        return Err(failed(function, &String::from_utf8_lossy(&said)).into());
    }
    fs::read(&output).map_err(ExpectedError::io("read", &output))
}

/// The module that componentize-py imports.
fn entry_text(function: &Function, has_packages: bool) -> String {
    let packages = if has_packages {
        format!(", {PACKAGES:?}: \"{ENTRY}/packages.json\"")
    } else {
        String::new()
    };
    format!(
        "from keynet_inference._build import function_of\n\n\
         Function = function_of({:?}, {PROJECT:?}, \
         {{{PROJECT:?}: \"{ENTRY}/project.json\"{packages}}})\n",
        function.module()
    )
}

/// Returns why the build failed, from what it said.
fn failed(function: &Function, said: &str) -> PythonError {
    let file = function.file_name();
    let report = said
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Report>(line.strip_prefix(MARK)?).ok());
    let Some(Report { kind, text, name, at }) = report else {
        return PythonError::Tool { file, said: said.to_owned() };
    };
    match kind.as_str() {
        "syntax" => PythonError::Syntax { at, text },
        "module" | "standard" if !at.is_empty() => {
            PythonError::Module { at, name, standard: kind == "standard" }
        }
        "action" => PythonError::NoFunction(text),
        _ => PythonError::Exception { file, no_file: text.contains("\nFileNotFoundError: "), text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(report: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("function.py");
        fs::write(&path, "").unwrap();
        let said = format!(
            "Traceback (most recent call last):\nAssertionError: \
            hello\n{report}\n\nCaused by:\n  wasm backtrace\n"
        );
        failed(&Function::at(&path).unwrap(), &said).to_string()
    }

    #[test]
    fn what_the_module_did_wrong_is_told_without_the_tools_words() {
        let syntax = told(
            r#"keynet-build: {"kind": "syntax", "where": "function.py, line 6", "text": "SyntaxError: invalid syntax\n    x = = 1\n        ^"}"#,
        );
        assert_eq!(
            syntax,
            "function.py, line 6: SyntaxError: invalid syntax\n    x = = 1\n        ^"
        );
        let module = told(
            r#"keynet-build: {"kind": "module", "name": "torch", "where": "function.py, line 2", "text": "…"}"#,
        );
        assert_eq!(module, "function.py, line 2: there is no module torch");
        let raised =
            told(r#"keynet-build: {"kind": "exception", "text": "Traceback\nRuntimeError: boom"}"#);
        assert_eq!(raised, "function.py cannot be imported: Traceback\nRuntimeError: boom");
        assert_eq!(
            told(r#"keynet-build: {"kind": "action", "text": "function.py has no function"}"#),
            "function.py has no function"
        );
        assert!(
            told("out of memory")
                .contains("componentize-py cannot make a component of function.py: ")
        );
    }
}
