//! A connection that carries answers of gRPC and no others.
//!
//! Something between us and the server, such as a gateway that wants a token, answers with a page.
//! tonic would take it for a message that is broken; here it is the HTTP status that says what is
//! wrong.

use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A connection for tonic's client.
#[derive(Debug, Clone)]
pub(super) struct GrpcOnly(pub Channel);

/// An answer with an HTTP status that gRPC does not have.
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
