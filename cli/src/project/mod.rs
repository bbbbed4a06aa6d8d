//! Projects: makes them from templates, and builds them into components. Each language is a variant
//! of [`Language`].

pub mod c;
pub mod cargo;
pub mod componentize;
pub mod compose;
pub mod draft;
pub mod embedded;
mod error;
pub mod finish;
pub mod go;
pub mod imaging;
pub mod javascript;
pub mod name;
pub mod python;
pub mod sdk;
mod source;
pub mod template;
pub mod toolchain;
pub mod unpacking;
pub mod watch;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

pub use error::ProjectError;
pub use source::ProjectSource;

/// Name of the component's file in a project's folder.
pub const COMPONENT: &str = "action.wasm";

/// Returns the path of the component in a project's folder, without a leading `.` for the current
/// folder.
pub fn component_in(folder: &Path) -> PathBuf {
    let path = folder.join(COMPONENT);
    path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
}

/// Component that was built from a project.
#[derive(Debug)]
pub struct Built {
    /// The component's file: in the cache, or in the folder of a Rust project.
    pub path: PathBuf,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Language of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, built by cargo.
    Rust,
    /// Python, built by componentize-py.
    Python,
    /// Go, built by its own toolchain.
    Go,
    /// TypeScript, built for QuickJS or SpiderMonkey.
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    /// JavaScript, built for QuickJS or SpiderMonkey.
    #[value(name = "javascript", alias = "js")]
    JavaScript,
    /// C, built by clang.
    C,
    /// C++, built by clang.
    Cpp,
}

impl Language {
    /// Returns the folder of the language's template.
    pub fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Go => "go",
            Self::TypeScript => "typescript",
            Self::JavaScript => "javascript",
            Self::C => "c",
            Self::Cpp => "cpp",
        }
    }

    /// Returns the language's usual name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::TypeScript => "TypeScript",
            Self::JavaScript => "JavaScript",
            Self::C => "C",
            Self::Cpp => "C++",
        }
    }
}
