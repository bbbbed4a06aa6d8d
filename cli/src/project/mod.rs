//! A project's folder: making it from a template, and building it into a component. A language is a
//! variant of [`Language`].

pub mod cargo;
pub mod componentize;
pub mod compose;
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
    /// Go, built by its own toolchain.
    Go,
    /// TypeScript, built for QuickJS or SpiderMonkey.
    #[value(name = "typescript", alias = "ts")]
    TypeScript,
    /// JavaScript, built for QuickJS or SpiderMonkey.
    #[value(name = "javascript", alias = "js")]
    JavaScript,
}

impl Language {
    /// The folder of its template.
    pub fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Go => "go",
            Self::TypeScript => "typescript",
            Self::JavaScript => "javascript",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::TypeScript => "TypeScript",
            Self::JavaScript => "JavaScript",
        }
    }
}
