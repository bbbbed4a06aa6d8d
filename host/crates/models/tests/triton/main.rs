//! Tests of the Triton backend against a real Triton: responses, rejections and failures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod answers;
mod faults;
mod security;
mod shared_memory;
mod streams;
mod support;
