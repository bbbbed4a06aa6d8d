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
