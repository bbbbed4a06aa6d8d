//! One process that serves OpenWhisk's REST API and runs the actions of many tenants.

pub mod records;
