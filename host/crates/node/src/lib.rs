//! One process that serves OpenWhisk's REST API and runs the actions of many tenants.
//!
//! ```text
//! server → api → web, page, invocation → resolution, loading → tenants → fairness
//!                                     ↘ records, catalog → entities
//! ```

mod api;
pub mod catalog;
pub mod config;
pub mod entities;
pub mod fairness;
mod invocation;
mod loading;
mod metrics;
mod node;
pub mod page;
pub mod records;
mod resolution;
mod server;
pub mod tenants;
pub mod web;

pub use server::{
    BackupError, Developer, Listening, NewKeyError, ServeError, ServeOptions, backup, new_key,
    serve,
};
