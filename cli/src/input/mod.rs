//! Everything that a command is given: parameters, files that become objects, addresses.

pub mod address;
pub mod inputs;
pub mod parameters;
pub mod schema;
