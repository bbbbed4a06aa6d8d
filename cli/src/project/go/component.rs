//! The component of a program.
//!
//! The core module of a project stays in the cache: Go sees by it that nothing has changed, and
//! links no second time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use keynet_base::{Config, Digest};

use super::{GoError, GoProject, toolchain};
use crate::errors::ExpectedError;
use crate::project::Built;
use crate::project::componentize::componentize;
use crate::project::finish::{self, MANIFEST};
use crate::project::python::kept;
use crate::ui::progress::Steps;

/// The arguments of `go`, before the output. A shared library is a reactor: a module that is
/// initialised once and whose exported functions the host calls.
const BUILD: [&str; 5] = [
    "build",
    "-buildmode=c-shared",
    "-trimpath",
    // The SDK's `cabi_realloc` takes memory of the runtime before the runtime has begun.
    "-ldflags=-checklinkname=0 -s -w",
    "-o",
];

/// Builds a program with what its `keynet.toml` asks for.
///
/// # Errors
/// There is no Go, the program cannot be compiled, or it is no action.
pub fn build(project: &GoProject, config: &Config, steps: Steps) -> Result<Built, ExpectedError> {
    let folder = project.folder();
    toolchain::check(folder)?;
    if !project.has_module() {
        return Err(GoError::NoModule(folder.to_owned()).into());
    }
    let own = own_folder(folder, config);
    fs::create_dir_all(&own).map_err(ExpectedError::io("make", &own))?;
    kept::note_use(&own);
    kept::thin_out(own.parent().unwrap_or(&own), &own);
    let lock_path = own.join("lock");
    let lock = File::create(&lock_path).map_err(ExpectedError::io("open", &lock_path))?;
    lock.lock().map_err(ExpectedError::io("lock", &lock_path))?;
    let core = {
        let _step = steps.begin("building the program with go");
        compile(folder, &own.join("core.wasm"))?
    };
    let bytes = componentize(&core).map_err(GoError::NotAnAction)?;
    let bytes = finish::finished(bytes, &folder.join(MANIFEST), config, steps)?;
    // Named by its content: a second build never changes a file that another command reads.
    let name = Digest::of(&bytes).hex();
    let path = own.join(format!("{}.wasm", name.get(..16).unwrap_or(&name)));
    if fs::read(&path).is_ok_and(|found| found == bytes) {
        return Ok(Built { path, bytes });
    }
    remove_others(&own);
    keynet_base::NewFile::write(&path, keynet_base::NewFile::PLAIN, &bytes)
        .map_err(ExpectedError::io("write", &path))?;
    Ok(Built { path, bytes })
}

/// Returns the folder of the cache for the project in `folder`.
fn own_folder(folder: &Path, config: &Config) -> PathBuf {
    let name = Digest::of(folder.as_os_str().as_encoded_bytes()).hex();
    config.cache_dir.join("go").join(name.get(..16).unwrap_or(&name))
}

/// Removes the components of earlier builds. What cannot be removed stays.
fn remove_others(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        if entry.file_name() != "core.wasm" && entry.file_name() != "lock" {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Runs the compiler, whose own words go to standard error, and returns the core module.
fn compile(folder: &Path, core: &Path) -> Result<Vec<u8>, ExpectedError> {
    let mut go = toolchain::go(folder);
    go.env("GOOS", "wasip1").env("GOARCH", "wasm").env("CGO_ENABLED", "0");
    let status = go.args(BUILD).arg(core).arg(".").status().map_err(GoError::Start)?;
    if !status.success() {
        return Err(GoError::Failed(status).into());
    }
    fs::read(core).map_err(ExpectedError::io("read", core))
}
