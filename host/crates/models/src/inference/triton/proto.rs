//! The messages and the client generated from `proto/inference.proto`.

#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]

tonic::include_proto!("inference");

/// Path of the method `ModelInfer`.
pub(super) const MODEL_INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
/// Path of the method `ModelStreamInfer`.
pub(super) const MODEL_STREAM_INFER: &str = "/inference.GRPCInferenceService/ModelStreamInfer";
