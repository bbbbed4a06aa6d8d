//! One Triton server: its connections, the headers of every call, and its small calls.

use std::time::Duration;

use http::HeaderMap;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response};

use super::call::Terms;
use super::codec::{BoundedCodec, SmallCall};
use super::connections::{self, Connections, Lease};
use super::failure::Failure;
use super::grpc_only::GrpcOnly;
use keynet_base::budget::CallBudget;
use keynet_base::call_observer;
use keynet_base::config::{TritonConfig, TritonLink};
use keynet_base::error::Result;

/// Triton server.
#[derive(Debug)]
pub(super) struct Server {
    pub calls: Connections,
    pub streams: Connections,
    pub link: TritonLink,
    headers: MetadataMap,
}

impl Server {
    /// Creates the client, which connects at the first request.
    ///
    /// # Errors
    /// The same as for [`Connections::open`].
    pub fn open(config: &TritonConfig) -> Result<Self> {
        let (calls, streams) = Connections::open(config)?;
        Ok(Self {
            calls,
            streams,
            link: config.link.clone(),
            headers: connections::metadata(config)?,
        })
    }

    /// Returns the terms of a call that carries tensors.
    pub fn terms(&self, subject: String, budget: &CallBudget) -> Terms {
        Terms {
            subject,
            headers: self.headers(),
            limit: self.link.message_bytes,
            budget: budget.clone(),
        }
    }

    /// Returns the headers of a call: the configured ones, and those of its trace.
    fn headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone().into_headers();
        call_observer::add_trace_headers(&mut headers);
        headers
    }

    /// Makes a small call about `subject`.
    ///
    /// # Errors
    /// The server's error, or it does not respond. `too-large`: the response has more bytes or
    /// fields than the limits allow.
    pub async fn ask<Q: SmallCall>(&self, subject: &str, message: Q) -> Result<Q::Reply, Failure> {
        self.ask_on(&self.calls.lease(0)?, subject, message).await
    }

    /// Same as [`Server::ask`], on a given connection.
    ///
    /// # Errors
    /// The same as for [`Server::ask`].
    pub async fn ask_on<Q: SmallCall>(
        &self,
        lease: &Lease,
        subject: &str,
        message: Q,
    ) -> Result<Q::Reply, Failure> {
        let mut request = Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers());
        let mut client =
            Grpc::new(GrpcOnly(lease.channel.clone())).max_decoding_message_size(Q::LIMIT);
        client.ready().await.map_err(|error| Failure::of_transport(subject, &*error))?;
        let answer = client
            .unary(request, PathAndQuery::from_static(Q::PATH), BoundedCodec::<Q>::default())
            .await;
        answer.map(Response::into_inner).map_err(|status| Failure::of_status(subject, &status))
    }

    /// Returns the time during which calls to an unavailable server are retried.
    pub fn retry(&self) -> Duration {
        self.link.retry
    }
}
