//! Actions in C and C++: clang makes a core module of the project and the SDK, which becomes a
//! component.
//!
//! Objects and components are kept in the cache under names that their inputs decide, so a build
//! compiles what has changed.

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

/// The folder of a project that holds the SDK.
const SDK: &str = "keynet";

/// Writes the SDK into the folder of a new project, which is built with it anywhere.
///
/// # Errors
/// A file cannot be written.
pub fn write_sdk(project: &Path) -> Result<(), ExpectedError> {
    for file in C_SDK {
        let path = project.join(SDK).join(file.path);
        let folder = path.parent().unwrap_or(project);
        std::fs::create_dir_all(folder).map_err(ExpectedError::io("make", folder))?;
        std::fs::write(&path, file.bytes).map_err(ExpectedError::io("write", &path))?;
    }
    Ok(())
}
