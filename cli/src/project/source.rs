//! What a project is written in, by its files.

use std::path::{Path, PathBuf};

use super::ProjectError;
use super::go::{self, GoProject};
use super::python::{self, Function};
use crate::errors::ExpectedError;

/// A project that can be built.
#[derive(Debug)]
pub enum ProjectSource {
    /// The folder of a cargo package, without symbolic links.
    Rust(PathBuf),
    /// A function in Python.
    Python(Function),
    /// A program in Go.
    Go(GoProject),
}

impl ProjectSource {
    /// Finds the project in the folder `path`: `Cargo.toml` makes it Rust, a Python file with
    /// `@keynet_function`, `requirements.txt` or `pyproject.toml` Python, a Go file that imports the
    /// SDK Go.
    ///
    /// # Errors
    /// There is no folder, no project, or one of several languages.
    pub fn find(path: &Path) -> Result<Self, ExpectedError> {
        let folder = path.canonicalize().map_err(ExpectedError::io("find the project", path))?;
        if folder.is_file() && go::is_go(&folder) {
            return Ok(Self::Go(GoProject::at(path)?));
        }
        if folder.is_file() {
            return Ok(Self::Python(Function::at(path)?));
        }
        let functions = python::functions_in(path).map_err(ExpectedError::io("look into", path))?;
        let program =
            GoProject::in_folder(&folder).map_err(ExpectedError::io("look into", path))?;
        if let Some(program) = program {
            let is_other = folder.join("Cargo.toml").is_file() || !functions.is_empty();
            return match is_other {
                true => Err(ProjectError::AlsoGo(path.to_owned()).into()),
                false => Ok(Self::Go(program)),
            };
        }
        match (folder.join("Cargo.toml").is_file(), functions.first()) {
            (true, Some(function)) => Err(ProjectError::TwoLanguages {
                folder: path.to_owned(),
                function: function.clone(),
            }
            .into()),
            (true, None) => Ok(Self::Rust(folder)),
            (false, _) => Ok(Self::Python(Function::in_folder(path, functions)?)),
        }
    }
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
        assert!(both.contains("depends on @keynet/inference, and there is a function in Python"));
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
            assert!(both.contains("Go") && both.contains("another language"), "{both}");
        }
    }

    #[test]
    fn what_is_no_project_says_what_would_be_one() {
        let both = told(&[("Cargo.toml", ""), ("function.py", FUNCTION)]);
        assert!(both.contains("Cargo.toml") && both.contains("function.py"), "{both}");
        let none = told(&[("notes.txt", "")]);
        assert!(
            none.contains("it has no Cargo.toml, no Python file with @keynet_function"),
            "{none}"
        );
        let several = told(&[("a.py", FUNCTION), ("b.py", FUNCTION)]);
        assert!(several.contains("a.py, b.py"), "{several}");
        assert!(ProjectSource::find(Path::new("no/such/folder")).is_err());
    }
}
