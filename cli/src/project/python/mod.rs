//! Functions in Python: componentize-py makes components of them, in an environment of this
//! program's own.
//!
//! Everything that takes time is kept in the cache, under a name that its inputs decide: the
//! environment with componentize-py, the packages of a set of requirements, and the component
//! itself. So a build in which nothing has changed is a look into the cache.

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

use keynet_base::Config;

use crate::errors::ExpectedError;
use crate::project::embedded::PYTHON_SDK;
use crate::project::unpacking;

/// Returns the SDK as a file of requirements names it, unpacked into the cache: for tests of a
/// function with the user's own Python.
///
/// # Errors
/// The cache cannot be written.
pub fn dependency(config: &Config) -> Result<String, ExpectedError> {
    let sdk = unpacking::unpacked(PYTHON_SDK, &config.cache_dir.join("python/sdk"))?;
    Ok(url::Url::from_file_path(&sdk).map_or_else(|()| sdk.display().to_string(), String::from))
}
