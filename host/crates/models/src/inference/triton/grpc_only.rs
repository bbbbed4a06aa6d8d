//! A connection that accepts only gRPC responses.
//!
//! An intermediary, such as a gateway that requires a token, responds with a web page. tonic would
//! report it as a broken message; here the HTTP status is reported instead.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Connection for tonic's client.
#[derive(Debug, Clone)]
pub(super) struct GrpcOnly(pub Channel);

/// Response with an HTTP status that gRPC does not use.
#[derive(Debug, thiserror::Error)]
#[error("HTTP status {0} instead of a gRPC answer")]
pub(super) struct NotGrpc(pub StatusCode);

impl Service<Request<Body>> for GrpcOnly {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if answer.status() == StatusCode::OK {
                Ok(answer)
            } else {
                Err(NotGrpc(answer.status()).into())
            }
        })
    }
}
