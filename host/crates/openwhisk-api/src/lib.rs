//! OpenWhisk's REST API, version 1: the names, bodies and records of `core/controller`, and a
//! [`client`] for them behind the feature of that name.
//!
//! This crate does not depend on the command line and does not run actions.

pub mod action;
pub mod activation;
pub mod annotations;
#[cfg(feature = "client")]
pub mod client;
pub mod name;
pub mod server_info;

pub use action::{ActionPut, Exec, KeyValue, Limits, StoredAction};
pub use activation::{Activation, Status};
pub use name::ActionName;
pub use server_info::ServerInfo;
