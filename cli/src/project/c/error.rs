//! Why an action in C or C++ cannot be built.

use std::path::PathBuf;

use crate::errors::{Diagnostic, Exit};
use crate::project::componentize::ComponentizeError;

/// The packages of Debian and Ubuntu that build actions.
const PACKAGES: &str = "clang-22 lld-22 libclang-rt-22-dev-wasm32 libc++-22-dev-wasm32 \
    libc++abi-22-dev-wasm32 wasi-libc";

/// What is wrong with the project, or with the compiler that builds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CError {
    /// No clang at all.
    #[error("there is no clang on this machine, which actions in C and C++ are built with")]
    NoCompiler,
    /// A clang without what WebAssembly takes.
    #[error(
        "{} cannot build {language} for WebAssembly: {}",
        program.display(),
        reason.trim()
    )]
    NoSysroot {
        /// The last that was tried.
        program: PathBuf,
        /// The language.
        language: &'static str,
        /// What it said.
        reason: String,
    },
    /// `WASI_SDK_PATH` is wrong.
    #[error("WASI_SDK_PATH is {}, where there is no bin/clang", .0.display())]
    WasiSdk(PathBuf),
    /// A flag of `compile_flags.txt`.
    #[error("{}: the flag {flag} cannot be used, each line is a flag of its own for clang", path.display())]
    Flag {
        /// The file.
        path: PathBuf,
        /// The flag.
        flag: String,
    },
    /// The compiler has told why.
    #[error("{} could not be compiled", .0.display())]
    Compile(PathBuf),
    /// The linker has told why.
    #[error("the action could not be linked")]
    Link {
        /// Whether no function is registered.
        has_no_function: bool,
        /// Whether several are.
        has_several: bool,
    },
    /// The module is none of an action.
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
