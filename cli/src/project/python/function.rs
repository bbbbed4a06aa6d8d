//! The module with the decorated function.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::PythonError;
use crate::errors::ExpectedError;
use crate::project::ProjectError;

/// Modules that a function's file is called, where a folder has several, in this order.
const USUAL: [&str; 2] = ["function.py", "main.py"];

/// Modules that a component has, which a file of the project would hide.
const TAKEN: [&str; 5] = [
    "keynet_entry",
    "keynet_inference",
    "wit_world",
    "componentize_py_types",
    "componentize_py_runtime",
];

/// A file with a decorated function, and the folder of its project.
#[derive(Debug)]
pub struct Function {
    folder: PathBuf,
    module: String,
}

impl Function {
    /// The function in the file at `path`.
    ///
    /// # Errors
    /// There is no such file, or it cannot be a module.
    pub fn at(path: &Path) -> Result<Self, ExpectedError> {
        // Of the link, not of what it leads to: modules are found beside it.
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

    /// The function in the folder `path`, which has these `functions`.
    ///
    /// # Errors
    /// It has none, or several of which none is called as usual.
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
            // It says itself what it lacks.
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

    /// The folder of its project, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What Python calls the module.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        format!("{}.py", self.module)
    }
}

/// Returns whether a path is that of a Python file, by its name.
pub fn is_python(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "py")
}

/// Returns the Python files of `folder` that decorate a function with `@keynet_function`, by name.
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

/// Returns whether a line of `text` begins with the decorator, by its name or that of its module.
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
