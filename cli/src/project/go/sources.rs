//! The program with the action.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SDK_MODULE;
use crate::errors::ExpectedError;

/// A program in Go: the package in a folder, whose module is that folder's or one above it.
#[derive(Debug)]
pub struct GoProject {
    folder: PathBuf,
}

impl GoProject {
    /// The program that the file at `path` belongs to, or that is in the folder at `path`.
    ///
    /// # Errors
    /// There is no such file.
    pub fn at(path: &Path) -> Result<Self, ExpectedError> {
        let found = path.canonicalize().map_err(ExpectedError::io("find", path))?;
        let folder = match found.parent() {
            Some(parent) if found.is_file() => parent.to_owned(),
            _ => found,
        };
        Ok(Self { folder })
    }

    /// The program in a folder that has one: a Go file that imports the SDK.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn in_folder(folder: &Path) -> io::Result<Option<Self>> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_program = is_go(&path) && !path.to_string_lossy().ends_with("_test.go");
            if is_program && path.is_file() && fs::read(&path).is_ok_and(|text| imports_sdk(&text))
            {
                return Ok(Some(Self { folder: folder.canonicalize()? }));
            }
        }
        Ok(None)
    }

    /// Its folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether the folder, or one above it, has a `go.mod`.
    pub fn has_module(&self) -> bool {
        self.folder.ancestors().any(|folder| folder.join("go.mod").is_file())
    }
}

/// Returns whether a path is that of a Go file, by its name.
pub fn is_go(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "go")
}

fn imports_sdk(text: &[u8]) -> bool {
    let import = format!("\"{SDK_MODULE}/keynet\"");
    String::from_utf8_lossy(text).contains(&import)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_file_that_imports_the_sdk_makes_a_folder_a_project() {
        let folder = tempfile::tempdir().unwrap();
        let found = || GoProject::in_folder(folder.path()).unwrap();
        let program = format!("package main\n\nimport \"{SDK_MODULE}/keynet\"\n");
        fs::write(folder.path().join("tool.go"), "package main\n").unwrap();
        fs::write(folder.path().join("main_test.go"), &program).unwrap();
        assert!(found().is_none());
        fs::write(folder.path().join("detect.go"), &program).unwrap();
        assert!(!found().unwrap().has_module());
        fs::write(folder.path().join("go.mod"), "module x\n").unwrap();
        assert!(found().unwrap().has_module());
        let at = GoProject::at(&folder.path().join("detect.go")).unwrap();
        assert_eq!(at.folder(), folder.path().canonicalize().unwrap());
    }
}
