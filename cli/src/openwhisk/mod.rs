//! OpenWhisk for `deploy`, `invoke`, `logs`, `list` and `undeploy`: flags, units, and the
//! presentation of failures. The API itself is the crate `keynet-openwhisk-api`.

pub mod args;
pub mod deploy;
pub mod error;
pub mod quantity;
pub mod time;
