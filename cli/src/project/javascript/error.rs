//! Why a function in TypeScript or JavaScript cannot be built.

use std::path::PathBuf;

use keynet_base::quote::shown;

use crate::errors::{Diagnostic, Exit};

/// What is wrong with the function, its packages, or the tools that build it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JavaScriptError {
    /// No Node.js.
    #[error(
        "there is no Node.js on this machine, which functions in TypeScript and JavaScript \
        are built with"
    )]
    NoNode,
    /// A Node.js that is too old for the tools.
    #[error("{} is Node.js {version}, which is too old", program.display())]
    OldNode {
        /// Its path.
        program: PathBuf,
        /// Its version.
        version: String,
    },
    /// No npm.
    #[error("npm cannot be started, which installs the tools that build functions")]
    NoNpm,
    /// A registry that cannot be reached.
    #[error(
        "cannot download the tools that build functions: npm's registry cannot be reached: {}",
        shown(said)
    )]
    NoNetwork {
        /// What npm said.
        said: String,
    },
    /// npm failed in another way.
    #[error("cannot install the tools that build functions: {}", said.trim())]
    Install {
        /// What npm said.
        said: String,
    },
    /// A project's `package.json`.
    #[error("{} cannot be used: {}", path.display(), shown(why))]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A project whose function is not found.
    #[error("{} depends on @keynet/inference, but has no module main.ts or main.js", .0.display())]
    NoModule(PathBuf),
    /// A file that cannot be named to the tools.
    #[error("the name of {} is not UTF-8", .0.display())]
    FileName(PathBuf),
    /// A file with a syntax error.
    #[error("{at}: {text}")]
    Syntax {
        /// Its file and line.
        at: String,
        /// What is wrong, and the line.
        text: String,
    },
    /// A package that is not there.
    #[error("{at}: the package {} is not installed", shown(name))]
    Module {
        /// What imports it.
        at: String,
        /// Its name.
        name: String,
        /// Whether the project's `package.json` requires it.
        required: bool,
        /// The project's folder.
        folder: PathBuf,
    },
    /// A file that is not there.
    #[error("{at}: there is no file {}", shown(name))]
    File {
        /// What imports it.
        at: String,
        /// Its name.
        name: String,
    },
    /// A module of Node.js.
    #[error("{at}: {text}")]
    Builtin {
        /// What imports it.
        at: String,
        /// What is not there.
        text: String,
    },
    /// Something that the bundler cannot do.
    #[error("{}{}{text}", at, if at.is_empty() { "" } else { ": " })]
    Bundle {
        /// The file and line.
        at: String,
        /// What it is.
        text: String,
    },
    /// A module without a function that can be run.
    #[error("{file} {text}")]
    NoFunction {
        /// The function's file.
        file: String,
        /// What it lacks.
        text: String,
    },
    /// An error of the user's code, or of a package, while it was loaded.
    #[error("{file} cannot be loaded: {text}")]
    Exception {
        /// The function's file.
        file: String,
        /// The error with its trace.
        text: String,
    },
    /// The bundler or an engine failed.
    #[error("cannot make a component of {file}: {}", said.trim())]
    Tool {
        /// The function's file.
        file: String,
        /// What it said.
        said: String,
    },
}

/// How to get Node.js.
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
