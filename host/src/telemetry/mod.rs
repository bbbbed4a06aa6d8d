//! Metrics and traces of a process that runs activations: of a container and of a node.
//!
//! Both are made from what an activation leaves, its [`Outcome`](crate::Outcome), after it has
//! ended, and from counts of the rooms below. Nothing here is on the way of an activation: spans
//! that do not fit into the queue are dropped and counted.

mod activations;
mod collector;
mod exporter;
mod registry;
mod sandbox;
mod server;
mod spans;
mod tracer;

pub use activations::{ActivationMetrics, Ended, outcome_of};
pub use registry::{registry, text};
pub use sandbox::SandboxMetrics;
pub use server::{MetricsError, serve_metrics};
pub use spans::ActivationSpan;
pub use tracer::{BegunSpan, TraceError, Tracer};
