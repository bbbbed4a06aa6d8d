//! Models: [`inference`] runs them, on Triton or in process; [`model_registry`] resolves the names
//! that MLflow gives them; [`model_deployment`] copies them to the repository of a model server.
//!
//! Data flows one way: deployment → model registry → inference. None of them knows wasmtime.

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inference;
pub mod model_deployment;
pub mod model_registry;
