//! The SDK in a project's own folder, for editors and for tests of a function on Node.js: the
//! project is built and tested on any machine.

use std::path::Path;

use crate::errors::ExpectedError;
use crate::project::embedded::{File, JAVASCRIPT_SDK};
use crate::project::unpacking;

/// Folder of the SDK in a project.
const FOLDER: &str = "vendor/keynet-inference";

/// Writes the SDK into the project in `folder`, and returns the dependency as the project's
/// `package.json` names it.
///
/// # Errors
/// A file cannot be written.
pub fn vendor(folder: &Path) -> Result<String, ExpectedError> {
    let files = JAVASCRIPT_SDK.iter().filter(is_public).map(|file| (file.path, file.bytes));
    unpacking::write(files, &folder.join(FOLDER))?;
    Ok(format!("file:./{FOLDER}"))
}

/// Reports whether a file belongs to the public package, and not only to the build of components.
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
