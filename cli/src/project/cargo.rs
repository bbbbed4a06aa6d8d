//! Builds a Rust project with cargo, and finds the component that cargo made.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use keynet_base::Config;

use super::finish::{self, MANIFEST};
use super::toolchain::{TARGET, Toolchain};
use super::{ProjectError, sdk};
use crate::errors::ExpectedError;
use crate::ui::console::Console;
use crate::ui::progress::Steps;

/// Profile of a build that is not for `dev`.
pub const RELEASE: &str = "release";

/// Profile and further arguments of cargo.
#[derive(Debug)]
pub struct Options<'a> {
    /// `release`, `dev` or a profile of the project.
    pub profile: &'a str,
    /// More arguments for cargo.
    pub arguments: &'a [String],
}

/// Returns the options of a build that is repeated after each change: only the crate is compiled
/// again, without link-time optimization across its dependencies.
pub fn dev() -> (&'static str, Vec<String>) {
    const PROFILE: &str = "keynet-dev";
    let settings = [
        "inherits='release'",
        "opt-level=1",
        "lto='off'",
        "incremental=true",
        "codegen-units=16",
        "package.'*'.opt-level=2",
    ];
    let arguments = settings
        .iter()
        .flat_map(|setting| ["--config".to_owned(), format!("profile.{PROFILE}.{setting}")]);
    (PROFILE, arguments.collect())
}

/// Builds the component of the project in `folder`, a path without symbolic links, with the
/// requests of its `keynet.toml`.
///
/// # Errors
/// There is no toolchain, cargo fails, or the result is not exactly one component.
pub fn component(
    folder: &Path,
    options: &Options<'_>,
    config: &Config,
    console: Console,
) -> Result<Vec<u8>, ExpectedError> {
    sdk::check(folder)?;
    let build = Build { folder, options };
    let built = build.run(Toolchain::find(folder)?, console)?;
    let component = fs::read(&built).map_err(ExpectedError::io("read", &built))?;
    finish::finished(component, &folder.join(MANIFEST), config, Steps::new(false, console))
}

/// One run of cargo.
#[derive(Debug)]
struct Build<'a> {
    folder: &'a Path,
    options: &'a Options<'a>,
}

/// Message of `cargo build --message-format=json`; other kinds and fields are ignored.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
struct Target {
    #[serde(default)]
    kind: Vec<String>,
}

impl Build<'_> {
    /// Runs cargo, whose own messages go to standard error, and returns the path of the component
    /// it made.
    ///
    /// # Errors
    /// cargo fails, or makes no component or several.
    fn run(&self, toolchain: Toolchain, console: Console) -> Result<PathBuf, ProjectError> {
        let mut cargo = toolchain.cargo(self.folder);
        cargo.args([
            "build",
            "--target",
            TARGET,
            "--profile",
            self.options.profile,
            "--message-format=json-render-diagnostics",
        ]);
        let mut cargo = cargo
            .args(self.options.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(ProjectError::NoCargo)?;
        let mut components = Vec::new();
        for line in
            cargo.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines())
        {
            let line = line.map_err(ProjectError::NoCargo)?;
            match serde_json::from_str::<Message>(&line) {
                Ok(message) => components.extend(self.component(message)),
                Err(_) => console.say(&format!("{line}\n")),
            }
        }
        let status = cargo.wait().map_err(ProjectError::NoCargo)?;
        if !status.success() {
            return Err(ProjectError::CargoFailed(status));
        }
        self.only(components)
    }

    /// Returns the component in a message about this project's library.
    fn component(&self, message: Message) -> Option<PathBuf> {
        let ours = message.reason == "compiler-artifact"
            && message.manifest_path == self.folder.join("Cargo.toml")
            && message.target.kind.iter().any(|kind| kind == "cdylib");
        message
            .filenames
            .into_iter()
            .find(|path| ours && path.extension().is_some_and(|extension| extension == "wasm"))
    }

    fn only(&self, components: Vec<PathBuf>) -> Result<PathBuf, ProjectError> {
        let folder = self.folder.display();
        match <[PathBuf; 1]>::try_from(components) {
            Ok([component]) => Ok(component),
            Err(none) if none.is_empty() => Err(ProjectError::Artifact(format!(
                "cargo built no component from {folder}: its Cargo.toml needs `[lib]` with \
                    `crate-type = [\"cdylib\"]`; in a workspace, name the action's own folder with \
                    --path"
            ))),
            Err(several) => Err(ProjectError::Artifact(format!(
                "cargo built {} components from {folder}: one is expected",
                several.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(line: &str) -> Option<PathBuf> {
        let options = Options { profile: "release", arguments: &[] };
        let build = Build { folder: Path::new("/p"), options: &options };
        build.component(serde_json::from_str(line).unwrap())
    }

    #[test]
    fn only_the_projects_own_library_counts() {
        let message = |manifest: &str, kind: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"x","manifest_path":"{manifest}","target":{{"kind":["{kind}"],"name":"p"}},"filenames":["/t/p.d","{file}"],"fresh":true}}"#
            )
        };
        assert_eq!(
            component(&message("/p/Cargo.toml", "cdylib", "/t/p.wasm")),
            Some("/t/p.wasm".into())
        );
        assert_eq!(component(&message("/q/Cargo.toml", "cdylib", "/t/q.wasm")), None);
        assert_eq!(component(&message("/p/Cargo.toml", "bin", "/t/p.wasm")), None);
        assert_eq!(component(&message("/p/Cargo.toml", "cdylib", "/t/p.rlib")), None);
        assert_eq!(component(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn no_component_says_what_the_manifest_needs() {
        let options = Options { profile: "release", arguments: &[] };
        let build = Build { folder: Path::new("/p"), options: &options };
        let error = build.only(Vec::new()).unwrap_err().to_string();
        assert!(error.contains("cdylib"), "{error}");
        assert!(build.only(vec!["a".into(), "b".into()]).is_err());
    }
}
