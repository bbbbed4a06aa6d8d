//! `keynet-inference serve`: OpenWhisk's API for many namespaces in one process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, missing_docs)]

mod actions;
mod client;
mod documented;
mod life;
mod packages;
mod pictures;
mod signatures;
mod tenants;
mod web;

use keynet_tests::Sandbox;
use keynet_tests::node::{Node, Tenant};

/// Starts a node with the namespaces `team-a` and `team-b`.
fn node(sandbox: &Sandbox) -> Node {
    Node::start(sandbox, "", &[Tenant::new("team-a"), Tenant::new("team-b")])
}
