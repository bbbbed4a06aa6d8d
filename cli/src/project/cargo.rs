//! Building a Rust project, and finding what it made.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::ProjectError;
use super::toolchain::{TARGET, Toolchain};
use crate::ui::console::Console;

/// How to build.
#[derive(Debug)]
pub struct Build<'a> {
    /// The project's folder, without symbolic links.
    pub folder: &'a Path,
    /// `release`, `dev` or one of the project's own.
    pub profile: &'a str,
    /// More arguments for cargo.
    pub arguments: &'a [String],
}

/// A message of `cargo build --message-format=json`; other kinds and fields are left out.
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
    /// Runs cargo, whose own words go to standard error, and answers with the path of the component
    /// it made.
    ///
    /// # Errors
    /// cargo fails, or makes no component or several.
    pub fn run(&self, toolchain: Toolchain, console: Console) -> Result<PathBuf, ProjectError> {
        let mut cargo = toolchain.cargo(self.folder);
        cargo.args([
            "build",
            "--target",
            TARGET,
            "--profile",
            self.profile,
            "--message-format=json-render-diagnostics",
        ]);
        let mut cargo = cargo
            .args(self.arguments)
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

    /// The component of a message about this project's library.
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
        let build = Build { folder: Path::new("/p"), profile: "release", arguments: &[] };
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
        let build = Build { folder: Path::new("/p"), profile: "release", arguments: &[] };
        let error = build.only(Vec::new()).unwrap_err().to_string();
        assert!(error.contains("cdylib"), "{error}");
        assert!(build.only(vec!["a".into(), "b".into()]).is_err());
    }
}
