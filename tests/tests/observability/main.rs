//! Metrics, traces, and the file of `run --trace`.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod files;
mod metrics;
mod trace_limits;
mod traces;
