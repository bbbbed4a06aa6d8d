//! Errors of building an action in C or C++.

use std::path::PathBuf;

use crate::errors::{Diagnostic, Exit};
use crate::project::componentize::ComponentizeError;

/// Packages of Debian and Ubuntu that are needed to build actions.
const PACKAGES: &str = "clang-22 lld-22 libclang-rt-22-dev-wasm32 libc++-22-dev-wasm32 \
    libc++abi-22-dev-wasm32 wasi-libc";

/// Error in the project, or in the compiler that builds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CError {
    /// No clang is installed.
    #[error("there is no clang on this machine, which actions in C and C++ are built with")]
    NoCompiler,
    /// A clang without the parts that WebAssembly needs.
    #[error(
        "{} cannot build {language} for WebAssembly: {}",
        program.display(),
        reason.trim()
    )]
    NoSysroot {
        /// Last compiler that was tried.
        program: PathBuf,
        /// Language of the project.
        language: &'static str,
        /// Message of the compiler.
        reason: String,
    },
    /// `WASI_SDK_PATH` does not name a wasi-sdk.
    #[error("WASI_SDK_PATH is {}, where there is no bin/clang", .0.display())]
    WasiSdk(PathBuf),
    /// A flag of `compile_flags.txt` that cannot be used.
    #[error(
        "{}: the flag {flag} cannot be used, each line is a flag of its own for clang",
        path.display()
    )]
    Flag {
        /// Path of the file.
        path: PathBuf,
        /// Rejected flag.
        flag: String,
    },
    /// The compiler rejected a source; its messages were printed.
    #[error("{} could not be compiled", .0.display())]
    Compile(PathBuf),
    /// The linker failed; its messages were printed.
    #[error("the action could not be linked")]
    Link {
        /// The project registers no function.
        has_no_function: bool,
        /// The project registers several functions.
        has_several: bool,
    },
    /// The module cannot be made the component of an action.
    #[error(transparent)]
    Component(#[from] ComponentizeError),
}

impl Diagnostic for CError {
    fn exit(&self) -> Exit {
        Exit::Project
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoCompiler | Self::NoSysroot { .. } => Some(format!(
                "on Debian and Ubuntu: apt-get install --no-install-recommends {PACKAGES} \
                 (Debian 12 and later have them in their security or backports archive; others at \
                 https://apt.llvm.org). Anywhere: unpack a release of wasi-sdk \
                 (https://github.com/WebAssembly/wasi-sdk/releases) and set WASI_SDK_PATH to its \
                 folder"
            )),
            Self::WasiSdk(_) => Some(
                "set it to the folder of an unpacked wasi-sdk, or unset it to use the machine's \
                 clang"
                    .to_owned(),
            ),
            Self::Link { has_no_function: true, .. } => Some(
                "register the action's function with KEYNET_FUNCTION(…), see keynet.h and \
                 keynet.hpp"
                    .to_owned(),
            ),
            Self::Link { has_several: true, .. } => Some(
                "a project has one KEYNET_FUNCTION: to build a source by itself, call it something \
                 else than main.c, and name it: keynet-inference build other.c"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
