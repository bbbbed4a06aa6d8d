//! What a project is written in, by its files.

use std::path::{Path, PathBuf};

use super::ProjectError;
use super::c::{self, CProject};
use super::python::{self, Function};
use crate::errors::ExpectedError;

/// A project that can be built.
#[derive(Debug)]
pub enum ProjectSource {
    /// The folder of a cargo package, without symbolic links.
    Rust(PathBuf),
    /// A function in Python.
    Python(Function),
    /// An action in C or C++.
    C(CProject),
    /// A core module that another build system made.
    Module(PathBuf),
}

impl ProjectSource {
    /// Finds the project in the folder `path`: `Cargo.toml` makes it Rust, a Python file with
    /// `@keynet_function`, `requirements.txt` or `pyproject.toml` Python, `main.c` or `main.cpp`
    /// C or C++.
    ///
    /// # Errors
    /// There is no folder, no project, or one of several languages.
    pub fn find(path: &Path) -> Result<Self, ExpectedError> {
        let folder = path.canonicalize().map_err(ExpectedError::io("find the project", path))?;
        if folder.is_file() && c::is_c(&folder) {
            return Ok(Self::C(CProject::at(path)?));
        }
        if folder.extension().is_some_and(|ending| ending == "wasm") && folder.is_file() {
            return Ok(Self::Module(folder));
        }
        if folder.is_file() {
            return Ok(Self::Python(Function::at(path)?));
        }
        let functions = python::functions_in(path).map_err(ExpectedError::io("look into", path))?;
        if let Some(project) = CProject::in_folder(&folder)? {
            let is_other = folder.join("Cargo.toml").is_file() || !functions.is_empty();
            if is_other {
                let main = project.main();
                return Err(ProjectError::AlsoC { folder: path.to_owned(), main }.into());
            }
            return Ok(Self::C(project));
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
                (
                    "helpers.py",
                    "# @keynet_function is not \
            used here"
                )
            ]),
            "detect"
        );
        assert_eq!(
            python(&[("detect.py", &FUNCTION.replace("@keynet", "@keynet_inference.keynet"))]),
            "detect"
        );
        assert_eq!(python(&[("detect.py", FUNCTION), ("function.py", FUNCTION)]), "function");
        assert_eq!(python(&[("main.py", ""), ("requirements.txt", "")]), "main");
    }

    #[test]
    fn main_makes_a_folder_a_project_in_c() {
        assert!(matches!(
            project(&[("main.c", ""), ("helpers.py", "import os")]).1,
            Ok(ProjectSource::C(_))
        ));
        for other in [("Cargo.toml", ""), ("function.py", FUNCTION)] {
            let both = told(&[("main.cpp", ""), other]);
            assert!(both.contains("main.cpp") && both.contains("another language"), "{both}");
        }
    }

    #[test]
    fn what_is_no_project_says_what_would_be_one() {
        let both = told(&[("Cargo.toml", ""), ("function.py", FUNCTION)]);
        assert!(both.contains("Cargo.toml") && both.contains("function.py"), "{both}");
        let none = told(&[("notes.txt", "")]);
        assert!(
            none.contains("it has no Cargo.toml and no Python file with @keynet_function"),
            "{none}"
        );
        let several = told(&[("a.py", FUNCTION), ("b.py", FUNCTION)]);
        assert!(several.contains("a.py, b.py"), "{several}");
        assert!(ProjectSource::find(Path::new("no/such/folder")).is_err());
    }
}
