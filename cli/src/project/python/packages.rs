//! Packages of a project, installed for the Python of components.

use std::fs;
use std::path::{Path, PathBuf};

use keynet_base::Digest;

use super::environment::Environment;
use super::requirements::Requirements;
use super::{PythonError, kept, late_imports, pip, wheels};
use crate::errors::ExpectedError;
use crate::ui::progress::Steps;

/// Arguments of pip that select wheels for the CPython inside componentize-py on WASI, or for any
/// Python.
const TARGET: [&str; 10] = [
    "--only-binary=:all:",
    "--implementation=cp",
    "--python-version=3.14",
    "--abi=cp314",
    "--abi=none",
    "--platform=wasi_0_0_0_wasm32",
    "--no-compile",
    "--no-warn-script-location",
    "--progress-bar=off",
    "--ignore-installed",
];

/// Packages with native code that this project builds.
const NATIVE: [&str; 2] = ["numpy", "pillow"];

/// Installed packages of a set of requirements.
#[derive(Debug)]
pub struct Packages(PathBuf);

impl Packages {
    /// Returns the folder that the packages are imported from.
    pub fn folder(&self) -> PathBuf {
        self.0.join("site-packages")
    }

    /// Returns the file that lists the imports inside their functions.
    pub fn late_imports(&self) -> PathBuf {
        self.0.join("late-imports.json")
    }
}

/// Installs the packages in `requirements` and their dependencies; `None` if there are no
/// requirements. The versions are resolved once: the installed packages change only when the
/// requirements do.
///
/// # Errors
/// A package needs native code that is not available, packages exclude each other, or the index
/// cannot be reached.
pub fn prepare(
    requirements: &Requirements,
    environment: &Environment,
    steps: Steps,
) -> Result<Option<Packages>, ExpectedError> {
    if requirements.is_empty() {
        return Ok(None);
    }
    let key =
        [requirements.text(), Environment::hash_of("toolchain/"), Environment::hash_of("wheels/")]
            .join("\n");
    let key = Digest::of(key.as_bytes()).hex();
    let folder = environment.cache().join("packages").join(key.get(..16).unwrap_or(&key));
    kept::folder(&folder, |draft| {
        environment.prepare(steps)?;
        let list = draft.join("requirements.txt");
        fs::write(&list, requirements.text()).map_err(ExpectedError::io("write", &list))?;
        let names = requirements.names();
        let install_with =
            |wheels: Option<&Path>| install(&list, draft, wheels, environment, steps, &names);
        let install_with_native = || install_with(Some(&wheels::build(environment, steps)?));
        if NATIVE.iter().any(|name| requirements.name(name)) {
            return install_with_native();
        }
        match install_with(None) {
            // A package depends on one that this project builds.
            Err(error) if lacks_native(&error) => install_with_native(),
            installed => installed,
        }
    })?;
    Ok(Some(Packages(folder)))
}

fn lacks_native(error: &ExpectedError) -> bool {
    let Some(PythonError::Package { requirement, .. }) = error.downcast_ref() else {
        return false;
    };
    super::error::is_ours(requirement)
}

fn install(
    list: &Path,
    draft: &Path,
    wheels: Option<&Path>,
    environment: &Environment,
    steps: Steps,
    names: &str,
) -> Result<(), ExpectedError> {
    let _step =
        steps.begin(&format!("installing {names} and what they need, once for these requirements"));
    let mut python = environment.python();
    let mut install = pip::command(python.arg(environment.sdk().join("toolchain/install.py")));
    install
        .arg("install")
        .args(TARGET)
        .arg("--target")
        .arg(draft.join("site-packages"))
        .arg("--requirement")
        .arg(list);
    if let Some(wheels) = wheels {
        install.arg("--find-links").arg(wheels);
    }
    pip::run(&mut install, names)?;
    let packages = Packages(draft.to_owned());
    late_imports::write(&packages.folder(), &packages.late_imports(), environment)
}
