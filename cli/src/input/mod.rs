//! Input of a command: parameters, files that become objects, addresses.

pub mod address;
pub mod inputs;
pub mod parameters;
pub mod schema;
pub mod unknown;
