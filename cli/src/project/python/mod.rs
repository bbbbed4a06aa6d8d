//! Functions in Python: componentize-py makes components of them, in a private environment.
//!
//! Slow steps are kept in the cache, under a hash of their inputs: the environment with
//! componentize-py, the packages of a set of requirements, and the component itself. A build in
//! which nothing has changed only reads the cache.

mod component;
mod environment;
mod error;
mod function;
mod interpreter;
pub(in crate::project) mod kept;
mod late_imports;
mod packages;
mod pip;
mod requirements;
mod stage;
mod wheels;

pub use component::build;
pub use error::PythonError;
pub use function::{Function, functions_in, is_python};
