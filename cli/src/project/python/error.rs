//! Why a function in Python cannot be built.

use std::path::{Path, PathBuf};

use keynet_base::quote::shown;

use crate::errors::{Diagnostic, Exit};
use crate::ui::units;

/// What is wrong with the function, its packages, or the Python that builds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PythonError {
    /// No Python.
    #[error("there is no Python on this machine, which functions in Python are built with")]
    NoPython,
    /// A Python that is too old for the tools.
    #[error("{} is Python {}.{}, which cannot build functions", program.display(), version.0, version.1)]
    OldPython {
        /// Its path.
        program: PathBuf,
        /// Its version.
        version: (u32, u32),
    },
    /// A Python that cannot make environments.
    #[error("{} (Python {}.{}) cannot make virtual environments: it lacks its modules venv and \
        ensurepip", program.display(), version.0, version.1)]
    NoVenv {
        /// Its path.
        program: PathBuf,
        /// Its version.
        version: (u32, u32),
    },
    /// A Python that failed to make one.
    #[error("{} cannot make a virtual environment: {}", program.display(), said.trim())]
    Environment {
        /// Its path.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// A package index that cannot be reached.
    #[error("cannot download {what}: the package index cannot be reached: {}", shown(said))]
    NoNetwork {
        /// What was to be downloaded.
        what: String,
        /// What pip said.
        said: String,
    },
    /// pip failed in another way.
    #[error("cannot install {what}: {}", said.trim())]
    Install {
        /// What was to be installed.
        what: String,
        /// What pip said.
        said: String,
    },
    /// A package that cannot be part of a component.
    #[error("{}", package(requirement, versions.as_deref()))]
    Package {
        /// What was required.
        requirement: String,
        /// The versions that there are of it.
        versions: Option<String>,
    },
    /// Packages that exclude each other.
    #[error("the packages exclude each other: {said}")]
    Conflict {
        /// What pip said.
        said: String,
    },
    /// The build of numpy and Pillow failed.
    #[error("numpy and Pillow cannot be built for WebAssembly: {}", said.trim())]
    Wheels {
        /// What the build said last.
        said: String,
    },
    /// A line of a file of requirements.
    #[error("{}, line {line}: {why}", path.display())]
    Requirements {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A project's `pyproject.toml`.
    #[error("{} cannot be used: {why}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file that cannot be a module of its own.
    #[error("{} cannot be a function's file", .0.display())]
    FileName(PathBuf),
    /// Several functions.
    #[error("{} has several functions: {}", folder.display(), names(functions))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// The files with one.
        functions: Vec<PathBuf>,
    },
    /// A folder that is more than a project.
    #[error("{} holds more than a function's project may have ({limit})", folder.display())]
    TooLarge {
        /// The folder.
        folder: PathBuf,
        /// What is too much.
        limit: String,
    },
    /// A file with a syntax error.
    #[error("{at}: {text}")]
    Syntax {
        /// Its file and line.
        at: String,
        /// The line, and what is wrong with it.
        text: String,
    },
    /// A module that is not there.
    #[error("{at}: there is no module {name}")]
    Module {
        /// What imports it.
        at: String,
        /// Its name.
        name: String,
        /// Whether it is of Python's standard library.
        standard: bool,
    },
    /// An exception of the user's code, or of a package, while it was imported.
    #[error("{file} cannot be imported: {text}")]
    Exception {
        /// The function's file.
        file: String,
        /// The traceback.
        text: String,
        /// Whether a file was not found.
        no_file: bool,
    },
    /// The search for late imports failed.
    #[error("cannot look for imports in the project: {}", said.trim())]
    Scan {
        /// What it said.
        said: String,
    },
    /// A module without a function that can be run.
    #[error("{0}")]
    NoFunction(String),
    /// componentize-py failed.
    #[error("componentize-py cannot make a component of {file}: {}", said.trim())]
    Tool {
        /// The function's file.
        file: String,
        /// What it said.
        said: String,
    },
}

/// The packages with native code that there are.
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

/// Whether a requirement is of a package that this project builds.
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
    /// A folder that holds too many bytes.
    pub(super) fn too_many_bytes(folder: &Path, most: u64) -> Self {
        Self::TooLarge { folder: folder.to_owned(), limit: units::bytes(most) }
    }

    /// A folder that holds too many files.
    pub(super) fn too_many_files(folder: &Path, most: usize) -> Self {
        Self::TooLarge { folder: folder.to_owned(), limit: format!("{most} files") }
    }
}
