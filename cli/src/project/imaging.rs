//! Imaging library for actions in languages other than Rust: its component is composed into an
//! action that imports it.
//!
//! This binary carries that component if it was available when the binary was built
//! (`KEYNET_IMAGING_COMPONENT`, which `make install` sets). Otherwise the component is built from
//! the sources that the binary carries, once for each version, and kept in the cache.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use keynet_base::{Config, FileCache};

use super::compose::{self, ComposeError};
use super::toolchain::Toolchain;
use super::{ProjectError, unpacking};
use crate::errors::ExpectedError;
use crate::project::embedded::{IMAGING_COMPONENT, RUST_SDK};
use crate::ui::progress::Steps;

/// Package that an action imports.
const PACKAGE: &str = "keynet:imaging/";

/// Interface that the library exports.
const EXPORT: &str = "keynet:imaging/pictures@0.1.0";

/// Versions of the import that the library satisfies: patch versions only change comments.
const FITTING: &str = "keynet:imaging/pictures@0.1.";

/// Target that the library is compiled for: it imports nothing, not even WASI.
const TARGET: &str = "wasm32-unknown-unknown";

/// Folder of its sources in the unpacked SDK.
const FOLDER: &str = "imaging/component";

/// File that cargo writes.
const FILE: &str = "keynet_imaging_component.wasm";

/// Error of putting the imaging library into an action.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// The action imports another version, or an interface that the library never had.
    #[error("the action imports `{}`, and this keynet-inference has `{EXPORT}`", keynet_base::quote::shown(.0))]
    Version(String),
    /// This binary carries no component of the library, and no Rust toolchain was found to build
    /// it.
    #[error(
        "the action imports `{EXPORT}`, whose component this keynet-inference does not carry, and \
         no Rust toolchain with the target {TARGET} was found to build it"
    )]
    NoToolchain,
    /// cargo cannot be started.
    #[error("cargo cannot be started to build the imaging library")]
    NoCargo(#[source] io::Error),
    /// cargo could not build the library.
    #[error("cargo could not build the imaging library ({status}):\n{output}")]
    CargoFailed {
        /// Exit status.
        status: ExitStatus,
        /// Output of cargo.
        output: String,
    },
    /// The action calls a function that the library does not have.
    #[error("the imaging library cannot be composed into the action")]
    Compose(#[from] ComposeError),
}

impl ImagingError {
    /// Returns the next step for the user.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Version(_) => "build the action with the SDK of this version",
            Self::NoToolchain | Self::NoCargo(_) => {
                "install a keynet-inference that carries it (a released one, or `make install` in \
                 a clone); or install Rust and run `rustup target add wasm32-wasip2 \
                 wasm32-unknown-unknown`"
            }
            Self::CargoFailed { .. } => {
                "it is built once, with crates from the registry: check the network, or install a \
                 keynet-inference that carries the library"
            }
            Self::Compose(_) => "generate the action's bindings from guest-sdk/imaging/wit",
        };
        Some(hint.to_owned())
    }
}

/// Returns the component with the imaging library in it if it imports that, else unchanged.
///
/// # Errors
/// The input is not a component, it imports another version, or the library cannot be built.
pub fn composed(
    component: Vec<u8>,
    config: &Config,
    steps: Steps,
) -> Result<Vec<u8>, ExpectedError> {
    let imports = compose::imports(&component).map_err(refused)?;
    let mut imports = imports.into_iter().filter(|import| import.starts_with(PACKAGE));
    let Some(import) = imports.next() else { return Ok(component) };
    for import in std::iter::once(&import).chain(imports.next().as_ref()) {
        if !import.starts_with(FITTING) {
            return Err(ProjectError::from(ImagingError::Version(import.clone())).into());
        }
    }
    let library = library(config, steps)?;
    let composed = compose::compose(&component, &library, &import, EXPORT);
    Ok(composed.map_err(refused)?)
}

fn refused(error: ComposeError) -> ProjectError {
    ImagingError::from(error).into()
}

/// Returns the library's component: the one that this binary carries, or else the one in the cache,
/// which is built if it is missing.
fn library(config: &Config, steps: Steps) -> Result<Cow<'static, [u8]>, ExpectedError> {
    if let Some(component) = IMAGING_COMPONENT {
        return Ok(component.into());
    }
    let cache = FileCache::new(config.cache_dir.join("imaging"), config.cache_size / 16);
    let path = cache.path(format!("{}.wasm", unpacking::content_hash(RUST_SDK)));
    if let Ok(component) = fs::read(&path) {
        cache.used(&path);
        return Ok(component.into());
    }
    let sources = unpacking::unpacked(RUST_SDK, &config.cache_dir.join("sdk"))?.join(FOLDER);
    let component = {
        let _step = steps.begin("building the imaging library, once");
        built(&sources)?
    };
    cache
        .keep(&path, |mut file| file.write_all(&component))
        .map_err(ExpectedError::io("write", &path))?;
    Ok(component.into())
}

/// Builds the component from the sources in `folder`.
fn built(folder: &Path) -> Result<Vec<u8>, ExpectedError> {
    let toolchain = Toolchain::find_with(folder, TARGET)
        .map_err(|_| ProjectError::from(ImagingError::NoToolchain))?;
    let target = tempfile::tempdir().map_err(ExpectedError::io_on("make", "a temporary folder"))?;
    let mut cargo = toolchain.cargo(folder);
    cargo
        .args(["build", "--release", "--locked", "--quiet", "--config", "build.toml"])
        .arg("--target-dir")
        .arg(target.path())
        .stdin(Stdio::null());
    // Each of these would override the settings of build.toml.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    let ended = cargo.output().map_err(|error| ProjectError::from(ImagingError::NoCargo(error)))?;
    if !ended.status.success() {
        let output = String::from_utf8_lossy(&ended.stderr).into_owned();
        let failed = ImagingError::CargoFailed { status: ended.status, output };
        return Err(ProjectError::from(failed).into());
    }
    let path: PathBuf =
        [target.path(), TARGET.as_ref(), "release".as_ref(), FILE.as_ref()].iter().collect();
    fs::read(&path).map_err(ExpectedError::io("read", &path))
}
