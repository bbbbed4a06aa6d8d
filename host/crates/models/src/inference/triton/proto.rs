//! The messages and the client that are generated from `proto/inference.proto`.

#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]

tonic::include_proto!("inference");

/// Where `ModelInfer` is called.
pub(super) const MODEL_INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
/// Where `ModelStreamInfer` is called.
pub(super) const MODEL_STREAM_INFER: &str = "/inference.GRPCInferenceService/ModelStreamInfer";
