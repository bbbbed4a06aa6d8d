//! Functions in TypeScript and JavaScript: QuickJS or SpiderMonkey evaluates a bundle of the
//! function's module while the component is built.
//!
//! The bundler and the engines are kept in the cache, pinned by a lock file of npm, so that a
//! project needs none of them. Bundling takes a fraction of a second and is done each time; the
//! component of a bundle that was built before comes from the cache.

mod component;
mod error;
mod function;
mod manifest;
mod node;
mod toolchain;

pub use component::build;
pub use error::JavaScriptError;
pub use function::{Function, is_project, is_script};
