//! Errors of building a function in Python.

use std::path::{Path, PathBuf};

use keynet_base::quote::shown;

use crate::errors::{Diagnostic, Exit};
use crate::ui::units;

/// Error in the function, in its packages, or in the Python that builds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// Python is not installed.
    #[error("there is no Python on this machine, which functions in Python are built with")]
    NoPython,
    /// The installed Python is too old for the tools.
    #[error("{} is Python {}.{}, which cannot build functions", program.display(), version.0, version.1)]
    OldPython {
        /// Path of the interpreter.
        program: PathBuf,
        /// Version of the interpreter.
        version: (u32, u32),
    },
    /// The installed Python cannot make virtual environments.
    #[error("{} (Python {}.{}) cannot make virtual environments: it lacks its modules venv and \
        ensurepip", program.display(), version.0, version.1)]
    NoVenv {
        /// Path of the interpreter.
        program: PathBuf,
        /// Version of the interpreter.
        version: (u32, u32),
    },
    /// A Python failed to make a virtual environment.
    #[error("{} cannot make a virtual environment: {}", program.display(), said.trim())]
    Environment {
        /// Path of the interpreter.
        program: PathBuf,
        /// Message of the interpreter.
        said: String,
    },
    /// The package index cannot be reached.
    #[error("cannot download {what}: the package index cannot be reached: {}", shown(said))]
    NoNetwork {
        /// Packages that were to be downloaded.
        what: String,
        /// Message of pip.
        said: String,
    },
    /// pip failed for another reason.
    #[error("cannot install {what}: {}", said.trim())]
    Install {
        /// Packages that were to be installed.
        what: String,
        /// Message of pip.
        said: String,
    },
    /// A package cannot be part of a component.
    #[error("{}", package(requirement, versions.as_deref()))]
    Package {
        /// Requirement of the package.
        requirement: String,
        /// Available versions of the package.
        versions: Option<String>,
    },
    /// Packages exclude each other.
    #[error("the packages exclude each other: {said}")]
    Conflict {
        /// Message of pip.
        said: String,
    },
    /// The build of numpy and Pillow failed.
    #[error("numpy and Pillow cannot be built for WebAssembly: {}", said.trim())]
    Wheels {
        /// Last lines of the build's messages.
        said: String,
    },
    /// A line of a requirements file cannot be used.
    #[error("{}, line {line}: {why}", path.display())]
    Requirements {
        /// Path of the file.
        path: PathBuf,
        /// Line number.
        line: usize,
        /// Reason.
        why: String,
    },
    /// A project's `pyproject.toml` cannot be used.
    #[error("{} cannot be used: {why}", path.display())]
    Manifest {
        /// Path of the file.
        path: PathBuf,
        /// Reason.
        why: String,
    },
    /// The name of a file cannot be the name of a module.
    #[error("{} cannot be a function's file", .0.display())]
    FileName(PathBuf),
    /// The folder has several functions.
    #[error("{} has several functions: {}", folder.display(), names(functions))]
    Several {
        /// Path of the folder.
        folder: PathBuf,
        /// Files with a function.
        functions: Vec<PathBuf>,
    },
    /// The folder holds more than a project may.
    #[error("{} holds more than a function's project may have ({limit})", folder.display())]
    TooLarge {
        /// Path of the folder.
        folder: PathBuf,
        /// Exceeded limit.
        limit: String,
    },
    /// A file has a syntax error.
    #[error("{at}: {text}")]
    Syntax {
        /// File and line.
        at: String,
        /// The line, and the error message.
        text: String,
    },
    /// An imported module does not exist.
    #[error("{at}: there is no module {name}")]
    Module {
        /// File and line of the import.
        at: String,
        /// Name of the module.
        name: String,
        /// True if the module is part of Python's standard library.
        standard: bool,
    },
    /// The user's code, or a package, raised an exception while it was imported.
    #[error("{file} cannot be imported: {text}")]
    Exception {
        /// File of the function.
        file: String,
        /// Traceback.
        text: String,
        /// True if a file was not found.
        no_file: bool,
    },
    /// The search for late imports failed.
    #[error("cannot look for imports in the project: {}", said.trim())]
    Scan {
        /// Message of the search.
        said: String,
    },
    /// The module has no function that can be run.
    #[error("{0}")]
    NoFunction(String),
    /// componentize-py failed.
    #[error("componentize-py cannot make a component of {file}: {}", said.trim())]
    Tool {
        /// File of the function.
        file: String,
        /// Message of componentize-py.
        said: String,
    },
}

/// Available packages with native code.
const NATIVE: &str = "numpy and Pillow, built for WebAssembly, and packages that are Python alone";

impl Diagnostic for PythonError {
    fn exit(&self) -> Exit {
        Exit::Project
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoPython => {
                "install Python 3.10 or later: `apt install python3 python3-venv` on Debian and \
                    Ubuntu"
                    .to_owned()
            }
            Self::OldPython { .. } => "install Python 3.10 or later; it needs not be the one that \
                `python3` starts"
                .to_owned(),
            Self::NoVenv { version: (major, minor), .. } => format!(
                "on Debian and Ubuntu: `apt install python3-venv` (for a Python that was installed \
                    beside the system's: python{major}.{minor}-venv)"
            ),
            Self::NoNetwork { .. } => {
                "check the connection, or name another index with PIP_INDEX_URL; what was \
                    downloaded once is kept"
                    .to_owned()
            }
            Self::Package { requirement, .. } if is_ours(requirement) => {
                "loosen the requirement, or write only the package's name".to_owned()
            }
            Self::Package { .. } => format!(
                "what there is: {NATIVE}; a model belongs on the server, which TritonPlugin asks"
            ),
            Self::Conflict { .. } => "loosen one of the requirements".to_owned(),
            Self::FileName(_) => "call it as Python calls modules, such as function.py".to_owned(),
            Self::Several { functions, .. } => {
                format!(
                    "name one: keynet-inference build {}",
                    functions
                        .first()
                        .map_or("function.py".into(), |path| path.display().to_string())
                )
            }
            Self::TooLarge { .. } => "put the function's file, and what it imports, into a folder \
                of its own"
                .to_owned(),
            Self::Module { standard: true, .. } => {
                "Python for WebAssembly lacks what needs threads, processes, sockets with TLS or \
                    other libraries of the system: docs/python.md"
                    .to_owned()
            }
            Self::Module { name, .. } => format!(
                "add the package that has it to requirements.txt, if it is not {name}.py beside \
                    the function's file"
            ),
            Self::Exception { no_file: true, .. } => {
                "the build sees the project's folder without hidden files, virtual environments, \
                    keys and files above 32 MiB; name files by \
                    `Path(__file__).with_name(\"labels.txt\")`"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

fn package(requirement: &str, versions: Option<&str>) -> String {
    let shown_requirement = shown(requirement);
    match versions {
        Some(versions) if is_ours(requirement) => {
            format!("there is no {shown_requirement} for WebAssembly; there is {}", shown(versions))
        }
        Some(versions) => format!(
            "the package {shown_requirement} has no wheel that fits: it needs native code, or this \
                version is none of {}",
            shown(versions)
        ),
        None => format!(
            "the package {shown_requirement} has no wheel of Python alone: it needs native code, \
                or there is no such package"
        ),
    }
}

/// Reports whether a requirement is of a package that this project builds.
pub(super) fn is_ours(requirement: &str) -> bool {
    let name: String = requirement
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .collect();
    ["numpy", "pillow"].contains(&name.to_ascii_lowercase().as_str())
}

fn names(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    paths.iter().filter_map(name).collect::<Vec<_>>().join(", ")
}

impl PythonError {
    /// Returns the error for a folder that holds more than `most` bytes.
    pub(super) fn too_many_bytes(folder: &Path, most: u64) -> Self {
        Self::TooLarge { folder: folder.to_owned(), limit: units::bytes(most) }
    }

    /// Returns the error for a folder that holds more than `most` files.
    pub(super) fn too_many_files(folder: &Path, most: usize) -> Self {
        Self::TooLarge { folder: folder.to_owned(), limit: format!("{most} files") }
    }
}
