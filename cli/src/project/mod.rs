//! A project's folder: making it from a template, and building it into a component. A language is a
//! variant of [`Language`].

pub mod c;
pub mod cargo;
pub mod componentize;
pub mod compose;
mod error;
pub mod finish;
pub mod imaging;
pub mod name;
pub mod python;
pub mod sdk;
mod source;
pub mod template;
pub mod toolchain;
pub mod unpacking;

use clap::ValueEnum;

pub use error::ProjectError;
pub use source::ProjectSource;

/// What an action can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, built by cargo.
    Rust,
    /// Python, built by componentize-py.
    Python,
    /// C, built by clang.
    C,
    /// C++, built by clang.
    Cpp,
}

impl Language {
    /// The folder of its template.
    pub fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::C => "c",
            Self::Cpp => "cpp",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::C => "C",
            Self::Cpp => "C++",
        }
    }
}
