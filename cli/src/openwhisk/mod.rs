//! OpenWhisk from outside: what `deploy`, `invoke`, `logs`, `list` and `undeploy` need of its REST
//! API.
//!
//! [`settings`] says where it is and with which key, as `wsk` has it; [`client`] speaks HTTP and
//! knows the API's errors; the other files are one thing of the API each. Nothing here knows the
//! command line or runs an action.

pub mod activation;
pub mod annotations;
pub mod body;
pub mod client;
pub mod error;
pub mod name;
pub mod platform;
pub mod props;
pub mod quantity;
pub mod settings;
pub mod time;
