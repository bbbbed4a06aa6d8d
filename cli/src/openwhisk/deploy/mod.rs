//! Deploying: the source ([`source`]), the memory that compiling it needs ([`memory`]), and the
//! action that is sent to OpenWhisk ([`plan`]).

mod memory;
mod plan;
mod request;
mod source;

pub use plan::{Deployed, Plan};
pub use request::{DeployRequest, Values};
pub use source::DeploySource;
