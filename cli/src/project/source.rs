//! Detects the language of a project from its files, and builds its component.

use std::fs;
use std::path::{Path, PathBuf};

use keynet_base::{Config, NewFile};

use super::c::{self, CError, CProject};
use super::componentize::componentize;
use super::finish::{self, MANIFEST};
use super::go::{self, GoProject};
use super::python::{self, Function};
use super::{Built, Language, ProjectError, cargo, component_in, javascript};
use crate::errors::ExpectedError;
use crate::ui::progress::Steps;

/// Project that can be built.
#[derive(Debug)]
pub enum ProjectSource {
    /// Folder of a cargo package; the path has no symbolic links.
    Rust(PathBuf),
    /// Function in Python.
    Python(Function),
    /// Program in Go.
    Go(GoProject),
    /// Function in TypeScript or JavaScript.
    JavaScript(javascript::Function),
    /// Action in C or C++.
    C(CProject),
    /// Core module that another build system made.
    Module(PathBuf),
}

impl ProjectSource {
    /// Finds the project at `path`, a source file or a folder. A folder's language is Rust if it
    /// has a `Cargo.toml`; TypeScript or JavaScript if its `package.json` depends on the SDK; Go if
    /// a Go file imports the SDK; C or C++ if it has a `main.c` or `main.cpp`; Python if it has a
    /// Python file with `@keynet_function`, a `requirements.txt` or a `pyproject.toml`. The
    /// language of a file follows from its extension. Its `keynet.toml` is parsed here, before any
    /// compiler runs.
    ///
    /// # Errors
    /// There is no such folder, it has no project or projects in several languages, or its
    /// `keynet.toml` cannot be used.
    pub fn find(path: &Path) -> Result<Self, ExpectedError> {
        let found = path.canonicalize().map_err(ExpectedError::io("find the project", path))?;
        let project = if found.is_file() {
            Self::of_file(path, &found)
        } else {
            Self::in_folder(path, found)
        }?;
        finish::check_manifest(&project.manifest())?;
        Ok(project)
    }

    /// Returns the path of its `keynet.toml`, which may not exist.
    fn manifest(&self) -> PathBuf {
        match self {
            Self::Rust(folder) => folder.join(MANIFEST),
            Self::Python(function) => function.folder().join(MANIFEST),
            Self::Go(program) => program.folder().join(MANIFEST),
            Self::JavaScript(function) => function.folder().join(MANIFEST),
            Self::C(source) => source.folder().join(MANIFEST),
            Self::Module(module) => module.with_file_name(MANIFEST),
        }
    }

    fn of_file(path: &Path, file: &Path) -> Result<Self, ExpectedError> {
        Ok(if go::is_go(file) {
            Self::Go(GoProject::at(path)?)
        } else if javascript::is_script(path) {
            Self::JavaScript(javascript::Function::at(path)?)
        } else if c::is_c(file) {
            Self::C(CProject::at(path)?)
        } else if file.extension().is_some_and(|ending| ending == "wasm") {
            Self::Module(file.to_owned())
        } else {
            Self::Python(Function::at(path)?)
        })
    }

    /// Finds the project in `folder`; `path` is the folder as the user named it, for messages.
    fn in_folder(path: &Path, folder: PathBuf) -> Result<Self, ExpectedError> {
        let unreadable = |error| ExpectedError::io("look into", path)(error);
        let functions = python::functions_in(path).map_err(unreadable)?;
        let program = GoProject::in_folder(&folder).map_err(unreadable)?;
        let c = CProject::in_folder(&folder)?;
        let is_rust = folder.join("Cargo.toml").is_file();
        let is_script = javascript::is_project(&folder)?;
        let languages: Vec<String> = [
            is_rust.then(|| "a Cargo.toml".to_owned()),
            is_script.then(|| "a package.json that depends on @keynet/inference".to_owned()),
            program.is_some().then(|| "a Go file that imports the SDK".to_owned()),
            c.as_ref().map(|c| format!("the program {}", c.main().display())),
            functions.first().map(|file| format!("the Python function {}", file.display())),
        ]
        .into_iter()
        .flatten()
        .collect();
        if languages.len() > 1 {
            let folder = path.to_owned();
            return Err(ProjectError::SeveralLanguages { folder, languages }.into());
        }
        Ok(match (program, c) {
            (Some(program), _) => Self::Go(program),
            (None, Some(c)) => Self::C(c),
            (None, None) if is_rust => Self::Rust(folder),
            (None, None) if is_script => {
                Self::JavaScript(javascript::Function::in_folder(&folder)?)
            }
            (None, None) => Self::Python(Function::in_folder(path, functions)?),
        })
    }

    /// Returns the language and the folder of the project, `None` for a core module.
    pub fn home(&self) -> Option<(Language, &Path)> {
        Some(match self {
            Self::Rust(folder) => (Language::Rust, folder),
            Self::Python(function) => (Language::Python, function.folder()),
            Self::Go(program) => (Language::Go, program.folder()),
            Self::JavaScript(function) => (Language::JavaScript, function.folder()),
            Self::C(project) => (Language::C, project.folder()),
            Self::Module(_) => return None,
        })
    }

    /// Builds the component of the project, unless nothing has changed since the last build.
    ///
    /// # Errors
    /// The tools of its language fail, or the result is not an action.
    pub fn build(&self, config: &Config, steps: Steps) -> Result<Built, ExpectedError> {
        match self {
            Self::Rust(folder) => build_rust(folder, config, steps),
            Self::Python(function) => python::build(function, config, steps),
            Self::Go(program) => go::build(program, config, steps),
            Self::JavaScript(function) => javascript::build(function, config, steps),
            Self::C(source) => c::build(source, config, steps),
            Self::Module(module) => {
                let core = fs::read(module).map_err(ExpectedError::io("read", module))?;
                let component = componentize(&core).map_err(CError::from)?;
                let bytes = finish::finished(component, &self.manifest(), config, steps)?;
                Ok(Built { path: module.clone(), bytes })
            }
        }
    }
}

/// Builds a Rust project into the file that `build` makes; cargo knows whether anything changed.
fn build_rust(folder: &Path, config: &Config, steps: Steps) -> Result<Built, ExpectedError> {
    let options = cargo::Options { profile: cargo::RELEASE, arguments: &[] };
    let bytes = cargo::component(folder, &options, config, steps.console())?;
    let current = std::env::current_dir().and_then(|folder| folder.canonicalize());
    let within = current.ok().and_then(|current| folder.strip_prefix(current).ok());
    let path = component_in(within.unwrap_or(folder));
    if fs::read(&path).ok().as_deref() != Some(bytes.as_slice()) {
        NewFile::write(&path, NewFile::PLAIN, &bytes).map_err(ExpectedError::io("write", &path))?;
    }
    Ok(Built { path, bytes })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FUNCTION: &str = "from keynet_inference import \
        keynet_function\n\n@keynet_function(\"x\")\ndef main(args):\n    return {}\n";

    fn project(
        files: &[(&str, &str)],
    ) -> (tempfile::TempDir, Result<ProjectSource, ExpectedError>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let found = ProjectSource::find(folder.path());
        (folder, found)
    }

    fn python(files: &[(&str, &str)]) -> String {
        match project(files).1 {
            Ok(ProjectSource::Python(function)) => function.module().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn told(files: &[(&str, &str)]) -> String {
        project(files).1.unwrap_err().one_line()
    }

    #[test]
    fn the_files_tell_the_language() {
        assert!(matches!(
            project(&[("Cargo.toml", ""), ("train.py", "import torch")]).1,
            Ok(ProjectSource::Rust(_))
        ));
        assert_eq!(python(&[("function.py", FUNCTION)]), "function");
        assert_eq!(
            python(&[
                ("detect.py", FUNCTION),
                ("helpers.py", "# @keynet_function is not used here")
            ]),
            "detect"
        );
        assert_eq!(
            python(&[("detect.py", &FUNCTION.replace("@keynet", "@keynet_inference.keynet"))]),
            "detect"
        );
        assert_eq!(python(&[("detect.py", FUNCTION), ("function.py", FUNCTION)]), "function");
        assert_eq!(python(&[("main.py", ""), ("requirements.txt", "")]), "main");
        let package = r#"{"dependencies": {"@keynet/inference": "file:./x"}}"#;
        assert!(matches!(
            project(&[("package.json", package), ("main.ts", ""), ("notes.py", "")]).1,
            Ok(ProjectSource::JavaScript(_))
        ));
        assert!(told(&[("package.json", "{}"), ("main.ts", "")]).contains("is not a project"));
        let both = told(&[("package.json", package), ("function.py", FUNCTION)]);
        assert!(both.contains("depends on @keynet/inference, the Python function"), "{both}");
    }

    #[test]
    fn a_go_file_that_imports_the_sdk_makes_a_folder_a_project_in_go() {
        let program = "package main\n\nimport \
            \"github.com/keynet/keynet-inference/guest-sdk/go/keynet\"\n";
        assert!(matches!(
            project(&[("main.go", program), ("helpers.py", "import os")]).1,
            Ok(ProjectSource::Go(_))
        ));
        for other in [("Cargo.toml", ""), ("function.py", FUNCTION)] {
            let both = told(&[("main.go", program), other]);
            assert!(both.contains("several languages: "), "{both}");
            assert!(both.contains("a Go file that imports the SDK"), "{both}");
        }
    }

    #[test]
    fn main_makes_a_folder_a_project_in_c() {
        assert!(matches!(
            project(&[("main.c", ""), ("helpers.py", "import os")]).1,
            Ok(ProjectSource::C(_))
        ));
        for other in [("Cargo.toml", ""), ("function.py", FUNCTION)] {
            let both = told(&[("main.cpp", ""), other]);
            assert!(both.contains("several languages: ") && both.contains("main.cpp"), "{both}");
        }
    }

    #[test]
    fn what_is_no_project_says_what_would_be_one() {
        let both = told(&[("Cargo.toml", ""), ("function.py", FUNCTION)]);
        assert!(both.contains("Cargo.toml") && both.contains("function.py"), "{both}");
        let none = told(&[("notes.txt", "")]);
        assert!(none.contains("has no Cargo.toml, no Python file with @keynet_function"), "{none}");
        let several = told(&[("a.py", FUNCTION), ("b.py", FUNCTION)]);
        assert!(several.contains("a.py, b.py"), "{several}");
        assert!(ProjectSource::find(Path::new("no/such/folder")).is_err());
    }

    #[test]
    fn keynet_toml_is_checked_before_a_project_is_built_in_any_language() {
        let package = r#"{"dependencies": {"@keynet/inference": "file:./x"}}"#;
        let program = "package main\n\nimport \
            \"github.com/keynet/keynet-inference/guest-sdk/go/keynet\"\n";
        for (name, text) in [
            ("Cargo.toml", ""),
            ("function.py", FUNCTION),
            ("main.go", program),
            ("package.json", package),
            ("main.c", ""),
            ("main.cpp", ""),
        ] {
            let error = told(&[(name, text), ("main.ts", ""), ("keynet.toml", "modls = [1]")]);
            assert!(error.contains("keynet.toml cannot be used"), "{name}: {error}");
            assert!(error.contains("modls"), "{name}: {error}");
        }
    }
}
