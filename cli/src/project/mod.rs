//! A project's folder: making it from a template, and building it into a component. A language is a variant of [`Language`].

pub mod cargo;
mod error;
pub mod name;
pub mod sdk;
pub mod template;
pub mod toolchain;

use clap::ValueEnum;

pub use error::ProjectError;

/// What an action can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, built by cargo.
    Rust,
}

impl Language {
    /// The folder of its template.
    pub fn template(self) -> &'static str {
        match self {
            Self::Rust => "rust",
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
        }
    }
}
