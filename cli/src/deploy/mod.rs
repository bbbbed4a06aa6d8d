//! Deploying: what runs ([`source`]), how much memory it needs ([`memory`]), and the action that
//! OpenWhisk is to have ([`plan`]).

mod memory;
mod plan;
mod source;

pub use plan::{Deployed, Plan};
pub use source::Source;
