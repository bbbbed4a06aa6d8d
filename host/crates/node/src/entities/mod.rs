//! Actions and packages: the bodies that create and change them, their stored form, and the JSON
//! that the API returns.

mod action;
mod exec;
mod json;
pub mod limits;
mod name;
mod package;
mod values;
mod version;

pub use action::{Action, ActionPut};
pub use exec::{Exec, ExecPut, KIND};
pub use json::{ActionJson, PackageJson};
pub use limits::{Limits, MaxLimits};
pub use name::{EntityName, NameError, check as check_name};
pub use package::{Binding, Package, PackagePut};
pub use values::{KeyValue, Values};
pub use version::Version;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Maximum size in bytes of the parameters of an action or a package, and of its annotations.
pub const MAX_PARAMETERS: usize = 1 << 20;

/// Error of an entity's body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// A field is missing, or out of range.
    #[error("{0}")]
    Invalid(String),
    /// A field is too large.
    #[error("{what} larger than allowed: {size} > {allowed} bytes.")]
    TooLarge {
        /// Name of the field.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// Maximum in bytes.
        allowed: usize,
    },
}

/// Checks the size of `values`, and that each of them can be shown: a document that contains them
/// is made of numbers and of a depth that every JSON parser reads.
fn check_values(what: &'static str, values: &Values) -> Result<(), EntityError> {
    let (size, allowed) = (values.text_size(), MAX_PARAMETERS);
    if size > allowed {
        return Err(EntityError::TooLarge { what, size, allowed });
    }
    for pair in values.iter() {
        serde_json::from_str::<serde_json::Value>(pair.value.get()).map_err(|error| {
            EntityError::Invalid(format!("the value {:?} of the {what}: {error}", pair.key))
        })?;
    }
    Ok(())
}

/// Returns the milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    milliseconds(since)
}

/// Returns a time in milliseconds.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
