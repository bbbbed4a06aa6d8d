//! The SDK in a project's own folder, for the tests of a function on Node.js and for editors: the
//! project builds and is tested on any machine.

use std::fs;
use std::path::Path;

use crate::errors::ExpectedError;
use crate::project::embedded::{File, JAVASCRIPT_SDK};

/// The folder of the SDK in a project.
const FOLDER: &str = "vendor/keynet-inference";

/// Writes the SDK into the project in `folder`, and returns the dependency as its `package.json`
/// names it.
///
/// # Errors
/// A file cannot be written.
pub fn vendor(folder: &Path) -> Result<String, ExpectedError> {
    for file in JAVASCRIPT_SDK.iter().filter(is_public) {
        let path = folder.join(FOLDER).join(file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ExpectedError::io("make", parent))?;
        }
        fs::write(&path, file.bytes).map_err(ExpectedError::io("write", &path))?;
    }
    Ok(format!("file:./{FOLDER}"))
}

/// Whether a file is of the package, and not of the build of components.
fn is_public(file: &&File) -> bool {
    let build_only = ["dist/component/", "toolchain/", "wit/"];
    !build_only.iter().any(|folder| file.path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_the_package_and_nothing_of_the_build() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(vendor(folder.path()).unwrap(), "file:./vendor/keynet-inference");
        let package = folder.path().join(FOLDER);
        for file in
            ["package.json", "dist/index.js", "dist/index.d.ts", "dist/testing.js", "LICENSE"]
        {
            assert!(package.join(file).is_file(), "{file}");
        }
        assert!(!package.join("dist/component").exists() && !package.join("wit").exists());
    }
}
