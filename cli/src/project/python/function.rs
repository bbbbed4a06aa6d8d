//! Module that contains the decorated function.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::PythonError;
use crate::errors::ExpectedError;
use crate::project::ProjectError;

/// Default names of a function's file, in this order, used if a folder has several functions.
const USUAL: [&str; 2] = ["function.py", "main.py"];

/// Modules of a component that a file of the project would hide.
const TAKEN: [&str; 5] = [
    "keynet_entry",
    "keynet_inference",
    "wit_world",
    "componentize_py_types",
    "componentize_py_runtime",
];

/// File with a decorated function, and the folder of its project.
#[derive(Debug)]
pub struct Function {
    folder: PathBuf,
    module: String,
}

impl Function {
    /// Returns the function in the file at `path`.
    ///
    /// # Errors
    /// The file does not exist, or cannot be a module.
    pub fn at(path: &Path) -> Result<Self, ExpectedError> {
        // Links are not resolved: the module's imports are found beside the link.
        let path = std::path::absolute(path).map_err(ExpectedError::io("find", path))?;
        path.metadata().map_err(ExpectedError::io("read", &path))?;
        let unusable = || PythonError::FileName(path.clone());
        let module =
            is_python(&path).then(|| path.file_stem()?.to_str()).flatten().ok_or_else(unusable)?;
        let folder = path.parent().ok_or_else(unusable)?;
        if module.contains('.') || TAKEN.contains(&module) {
            return Err(unusable().into());
        }
        Ok(Self { folder: folder.to_owned(), module: module.to_owned() })
    }

    /// Returns the function in the folder `path`, which has these `functions`.
    ///
    /// # Errors
    /// The folder has no function, or several of which none has a default name.
    pub fn in_folder(path: &Path, functions: Vec<PathBuf>) -> Result<Self, ExpectedError> {
        let usual = |file: &&str| path.join(file).is_file();
        let usual_function = |file: &&str| {
            functions.iter().any(|function| function.file_name() == Some(file.as_ref()))
        };
        let is_project =
            ["requirements.txt", "pyproject.toml"].iter().any(|file| path.join(file).is_file());
        let file = match (functions.as_slice(), USUAL.into_iter().find(usual_function)) {
            (_, Some(file)) => path.join(file),
            ([function], None) => function.clone(),
            // The module's import reports the missing function.
            ([], None) => match USUAL.into_iter().find(usual) {
                Some(file) if is_project => path.join(file),
                _ => return Err(ProjectError::NoProject(path.to_owned()).into()),
            },
            (_, None) => {
                return Err(PythonError::Several { folder: path.to_owned(), functions }.into());
            }
        };
        Self::at(&file)
    }

    /// Returns the folder of the project, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the module's name in Python.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Returns the name of the module's file.
    pub fn file_name(&self) -> String {
        format!("{}.py", self.module)
    }
}

/// Reports whether a path is that of a Python file, by its extension.
pub fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// Returns the Python files of `folder` that decorate a function with `@keynet_function`, sorted by
/// name.
///
/// # Errors
/// The folder cannot be read.
pub fn functions_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut functions = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_python(&path)
            && path.is_file()
            && fs::read(&path).is_ok_and(|text| decorates(&String::from_utf8_lossy(&text)))
        {
            functions.push(path);
        }
    }
    functions.sort();
    Ok(functions)
}

/// Reports whether a line of `text` begins with the decorator, by its own name or qualified by that
/// of its module.
fn decorates(text: &str) -> bool {
    let decorator = |line: &str| {
        let name = line.strip_prefix('@')?.split('(').next()?.trim_end();
        Some(name == "keynet_function" || name.ends_with(".keynet_function"))
    };
    text.lines().any(|line| decorator(line).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_a_module_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["function.py", "my-function.py", "함수.py"] {
            fs::write(folder.path().join(name), "").unwrap();
            assert!(Function::at(&folder.path().join(name)).is_ok(), "{name}");
        }
        for name in ["function.txt", "a.b.py", "keynet_inference.py"] {
            fs::write(folder.path().join(name), "").unwrap();
            let error = Function::at(&folder.path().join(name)).unwrap_err().one_line();
            assert!(error.contains(name), "{error}");
        }
        assert!(
            Function::at(Path::new("missing.py")).unwrap_err().one_line().contains("missing.py")
        );
    }
}
