//! OpenWhisk's REST API, version 1: the names, bodies and records of `core/controller`, and a
//! [`client`] of them behind the feature of that name.
//!
//! Nothing here knows the command line or runs an action.

pub mod action;
pub mod activation;
pub mod annotations;
#[cfg(feature = "client")]
pub mod client;
pub mod name;
pub mod server_info;

pub use action::{ActionPut, Exec, KeyValue, Limits, StoredAction};
pub use activation::Activation;
pub use name::ActionName;
pub use server_info::ServerInfo;
