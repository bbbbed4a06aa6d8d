//! Connecting to a server that a caller has named: at public addresses alone.
//!
//! The addresses that are checked are those that are connected to; nobody resolves the name a
//! second time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::codegen::Service;

use keynet_base::outbound::address::is_global;

/// Makes connections to public addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicConnector;

/// A host that has no public address.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not at a public address, and no other may be named by a caller")]
pub(super) struct NotPublic(String);

impl Service<Uri> for PublicConnector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move { connect(&uri).await.map(TokioIo::new) })
    }
}

async fn connect(uri: &Uri) -> io::Result<TcpStream> {
    let host =
        uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), port)).await?.collect();
    let public: Vec<SocketAddr> =
        found.into_iter().filter(|address| is_global(address.ip())).collect();
    if public.is_empty() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, NotPublic(host)));
    }
    let stream = TcpStream::connect(public.as_slice()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_private_address_is_not_connected_to_however_it_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in
            ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"]
        {
            let uri: Uri = format!("http://{host}:{port}").parse().unwrap();
            let error = connect(&uri).await.unwrap_err();
            assert!(
                error.get_ref().is_some_and(|inner| inner.is::<NotPublic>()),
                "{host}: {error}"
            );
        }
    }
}
