//! The module with the function, and the folder of its project.

use std::path::{Path, PathBuf};

use super::JavaScriptError;
use super::manifest::{self, Manifest};
use crate::errors::ExpectedError;

/// The ends of names of modules.
const SCRIPTS: [&str; 5] = ["ts", "mts", "js", "mjs", "tsx"];

/// What the function's module is usually called, in this order.
const USUAL: [&str; 10] = [
    "main.ts",
    "main.js",
    "index.ts",
    "index.js",
    "src/main.ts",
    "src/main.js",
    "src/index.ts",
    "src/index.js",
    "main.mts",
    "main.mjs",
];

/// A module with a function, and its project.
#[derive(Debug)]
pub struct Function {
    folder: PathBuf,
    module: PathBuf,
    manifest: Manifest,
}

impl Function {
    /// The function in the module at `path`. Its project is the nearest folder above with a
    /// `package.json`, or its own folder.
    ///
    /// # Errors
    /// There is no such file, or its `package.json` cannot be used.
    pub fn at(path: &Path) -> Result<Self, ExpectedError> {
        let path = std::path::absolute(path).map_err(ExpectedError::io("find", path))?;
        path.metadata().map_err(ExpectedError::io("read", &path))?;
        let own = path.parent().unwrap_or(&path);
        let folder = own.ancestors().find(|folder| folder.join(manifest::FILE).is_file());
        let folder = folder.unwrap_or(own).to_owned();
        let module = path.strip_prefix(&folder).unwrap_or(&path).to_owned();
        if module.to_str().is_none() {
            return Err(JavaScriptError::FileName(path).into());
        }
        let manifest = Manifest::read(&folder)?.unwrap_or_default();
        Ok(Self { folder, module, manifest })
    }

    /// The function of the project in `folder`: the module that its `package.json` names, or one
    /// that is called as usual.
    ///
    /// # Errors
    /// There is none.
    pub fn in_folder(folder: &Path) -> Result<Self, ExpectedError> {
        let named = Manifest::read(folder)?.unwrap_or_default().named_module();
        let usual = || USUAL.iter().map(PathBuf::from).find(|file| folder.join(file).is_file());
        match named.filter(|file| is_script(file)).or_else(usual) {
            Some(file) => Self::at(&folder.join(file)),
            None => Err(JavaScriptError::NoModule(folder.to_owned()).into()),
        }
    }

    /// The folder of its project, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its module's file, below the project's folder.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// Its project's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Returns whether a path is that of a module in TypeScript or JavaScript, by its name.
pub fn is_script(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_declaration = name.ends_with(".d.ts") || name.ends_with(".d.mts");
    let end = path.extension().and_then(|end| end.to_str());
    !is_declaration && end.is_some_and(|end| SCRIPTS.contains(&end))
}

/// Returns whether `folder` is a project whose `package.json` depends on the SDK.
///
/// # Errors
/// The `package.json` cannot be read or understood.
pub fn is_project(folder: &Path) -> Result<bool, ExpectedError> {
    Ok(Manifest::read(folder)?.is_some_and(|manifest| manifest.depends_on_sdk()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const SDK: &str = r#"{"dependencies": {"@keynet/inference": "file:./x"}}"#;

    #[test]
    fn the_module_is_the_one_that_is_named_or_one_that_is_called_as_usual() {
        let module = |files: &[(&str, &str)]| {
            let folder = project(files);
            Function::in_folder(folder.path()).map(|function| function.module().to_owned())
        };
        assert_eq!(
            module(&[("package.json", SDK), ("src/main.ts", ""), ("main.ts", "")]).unwrap(),
            Path::new("main.ts")
        );
        assert_eq!(
            module(&[("package.json", r#"{"main": "lib/go.js"}"#), ("lib/go.js", "")]).unwrap(),
            Path::new("lib/go.js")
        );
        let error = module(&[("package.json", SDK), ("detect.ts", "")]).unwrap_err();
        assert!(error.hint().unwrap().contains("\"keynet\": { \"main\""), "{error:?}");
    }

    #[test]
    fn a_file_belongs_to_the_nearest_project_above() {
        let folder = project(&[("package.json", SDK), ("src/deep/detect.ts", "")]);
        let function = Function::at(&folder.path().join("src/deep/detect.ts")).unwrap();
        assert_eq!(
            (function.folder(), function.module()),
            (folder.path(), Path::new("src/deep/detect.ts"))
        );
        assert!(is_project(folder.path()).unwrap());
        assert!(!is_project(&folder.path().join("src")).unwrap());
        assert!(Function::at(Path::new("no/such.ts")).is_err());
    }

    #[test]
    fn scripts_are_told_by_their_names() {
        for name in ["main.ts", "a/b.mjs", "main.test.js"] {
            assert!(is_script(Path::new(name)), "{name}");
        }
        for name in ["main.py", "types.d.ts", "action.wasm", "main"] {
            assert!(!is_script(Path::new(name)), "{name}");
        }
    }
}
