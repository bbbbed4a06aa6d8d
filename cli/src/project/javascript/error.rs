//! Errors of building a function in TypeScript or JavaScript.

use std::path::PathBuf;

use keynet_base::quote::shown;

use crate::errors::{Diagnostic, Exit};

/// Error in the function, in its packages, or in the tools that build it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JavaScriptError {
    /// Node.js is not installed.
    #[error(
        "there is no Node.js on this machine, which functions in TypeScript and JavaScript \
        are built with"
    )]
    NoNode,
    /// The installed Node.js is too old for the tools.
    #[error("{} is Node.js {version}, which is too old", program.display())]
    OldNode {
        /// Path of Node.js.
        program: PathBuf,
        /// Version of Node.js.
        version: String,
    },
    /// npm is not installed.
    #[error("npm cannot be started, which installs the tools that build functions")]
    NoNpm,
    /// npm's registry cannot be reached.
    #[error(
        "cannot download the tools that build functions: npm's registry cannot be reached: {}",
        shown(said)
    )]
    NoNetwork {
        /// Message of npm.
        said: String,
    },
    /// npm failed for another reason.
    #[error("cannot install the tools that build functions: {}", said.trim())]
    Install {
        /// Message of npm.
        said: String,
    },
    /// A project's `package.json` cannot be used.
    #[error("{} cannot be used: {}", path.display(), shown(why))]
    Manifest {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// The project has no module with a function.
    #[error("{} depends on @keynet/inference, but has no module main.ts or main.js", .0.display())]
    NoModule(PathBuf),
    /// The path of a file is not UTF-8, which the tools require.
    #[error("the name of {} is not UTF-8", .0.display())]
    FileName(PathBuf),
    /// A file has a syntax error.
    #[error("{at}: {text}")]
    Syntax {
        /// File and line.
        at: String,
        /// Error message, and the line.
        text: String,
    },
    /// An imported package is not installed.
    #[error("{at}: the package {} is not installed", shown(name))]
    Module {
        /// File and line of the import.
        at: String,
        /// Name of the package.
        name: String,
        /// True if the project's `package.json` requires the package.
        required: bool,
        /// Folder of the project.
        folder: PathBuf,
    },
    /// An imported file does not exist.
    #[error("{at}: there is no file {}", shown(name))]
    File {
        /// File and line of the import.
        at: String,
        /// Name in the import.
        name: String,
    },
    /// A module of Node.js is imported, which a component does not have.
    #[error("{at}: {text}")]
    Builtin {
        /// File and line of the import.
        at: String,
        /// Message about the missing module.
        text: String,
    },
    /// The bundler does not support a construct.
    #[error("{}{}{text}", at, if at.is_empty() { "" } else { ": " })]
    Bundle {
        /// File and line.
        at: String,
        /// Message of the bundler.
        text: String,
    },
    /// The module exports no function that can be run.
    #[error("{file} {text}")]
    NoFunction {
        /// File of the function.
        file: String,
        /// Reason.
        text: String,
    },
    /// The user's code, or a package, threw an error while the module was loaded.
    #[error("{file} cannot be loaded: {text}")]
    Exception {
        /// File of the function.
        file: String,
        /// Error with its stack.
        text: String,
    },
    /// The bundler or an engine failed.
    #[error("cannot make a component of {file}: {}", said.trim())]
    Tool {
        /// File of the function.
        file: String,
        /// Message of the tool.
        said: String,
    },
}

/// Advice on installing Node.js.
const INSTALL: &str = "install Node.js 20 or later with npm: `apt install nodejs npm` on Debian 13 \
    and Ubuntu 25.04, `brew install node` on macOS, else from https://nodejs.org/en/download";

impl Diagnostic for JavaScriptError {
    fn exit(&self) -> Exit {
        Exit::Project
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoNode | Self::OldNode { .. } | Self::NoNpm => INSTALL.to_owned(),
            Self::NoNetwork { .. } => "check the connection, or name another registry: npm config \
                set registry URL; what was downloaded once is kept"
                .to_owned(),
            Self::NoModule(_) => "name its module in package.json: \"keynet\": { \"main\": \
                \"src/detect.ts\" }, or on the command line"
                .to_owned(),
            Self::Manifest { .. } => "\"keynet\" has \"engine\", \"quickjs\" or \
                \"spidermonkey\", and \"main\", the function's module"
                .to_owned(),
            Self::Module { required: true, folder, .. } => {
                format!("run `npm install` in {}", folder.display())
            }
            Self::Module { name, folder, .. } => {
                format!("run `npm install {}` in {}", shown(name), folder.display())
            }
            Self::Builtin { .. } => "an action has no files, sockets and processes: it reaches \
                models and objects by Triton and Storage, and imports files that are part of it \
                (.txt, .csv, .json, .bin, .ttf)"
                .to_owned(),
            Self::Exception { .. } => "a module is loaded once, while the component is built: \
                what needs models, objects or randomness belongs into the function"
                .to_owned(),
            _ => return None,
        })
    }
}
