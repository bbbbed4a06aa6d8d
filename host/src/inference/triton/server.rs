//! One Triton server: its connections, what every call to it brings, and its small calls.

use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::call::Terms;
use super::connections::{self, Connections, Lease};
use super::failure::Failure;
use super::grpc_only::GrpcOnly;
use super::proto::grpc_inference_service_client::GrpcInferenceServiceClient as Client;
use crate::budget::CallBudget;
use crate::config::{TritonConfig, TritonLink};
use crate::error::Result;

/// What a small call may answer: descriptions and statistics of models.
const SMALL_ANSWER: usize = 16 << 20;

/// One server.
#[derive(Debug)]
pub(super) struct Server {
    pub calls: Connections,
    pub streams: Connections,
    pub link: TritonLink,
    headers: MetadataMap,
}

impl Server {
    /// Connects when it is first asked.
    ///
    /// # Errors
    /// As [`Connections::open`].
    pub fn open(config: &TritonConfig) -> Result<Self> {
        let (calls, streams) = Connections::open(config)?;
        Ok(Self { calls, streams, link: config.link.clone(), headers: connections::metadata(config)? })
    }

    /// For a call that carries tensors.
    pub fn terms(&self, subject: String, budget: &CallBudget) -> Terms {
        Terms { subject, headers: self.headers.clone().into_headers(), limit: self.link.message_bytes, budget: budget.clone() }
    }

    /// Makes a small call about `subject`.
    ///
    /// # Errors
    /// What the server says, or what kept it from answering.
    pub async fn ask<Q, A, F>(&self, subject: &str, message: Q, call: impl FnOnce(Client<GrpcOnly>, Request<Q>) -> F) -> Result<A, Failure>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.ask_on(&self.calls.lease(0)?, subject, message, call).await
    }

    /// As [`Server::ask`], on a given connection.
    ///
    /// # Errors
    /// As [`Server::ask`].
    pub async fn ask_on<Q, A, F>(
        &self,
        lease: &Lease,
        subject: &str,
        message: Q,
        call: impl FnOnce(Client<GrpcOnly>, Request<Q>) -> F,
    ) -> Result<A, Failure>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        let client = Client::new(GrpcOnly(lease.channel.clone())).max_decoding_message_size(SMALL_ANSWER);
        call(client, request).await.map(Response::into_inner).map_err(|status| Failure::of_status(subject, &status))
    }

    /// How long it is asked again while it is unavailable.
    pub fn retry(&self) -> Duration {
        self.link.retry
    }
}
