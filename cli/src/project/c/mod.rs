//! Actions in C and C++: clang makes a core module of the project and the SDK, which becomes a
//! component.
//!
//! Objects and components are kept in the cache under names that are hashes of their inputs, so a
//! build compiles only files that have changed.

mod compiler;
mod component;
mod error;
mod objects;
mod sources;

pub use component::build;
pub use error::CError;
pub use sources::{CProject, is_c};

use std::path::Path;

use crate::errors::ExpectedError;
use crate::project::embedded::C_SDK;
use crate::project::unpacking;

/// Folder of a project that holds the SDK.
const SDK: &str = "keynet";

/// Writes the SDK into the folder of a new project, so that the project builds on any machine.
///
/// # Errors
/// A file cannot be written.
pub fn write_sdk(project: &Path) -> Result<(), ExpectedError> {
    unpacking::write(C_SDK.iter().map(|file| (file.path, file.bytes)), &project.join(SDK))
}
