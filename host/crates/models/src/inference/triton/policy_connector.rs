//! Connector to a server that a caller has named, within an address policy.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::codegen::Service;

use keynet_base::outbound::AddressPolicy;

/// Connector that accepts only the addresses that a policy allows.
#[derive(Debug, Clone)]
pub(super) struct PolicyConnector(pub(super) AddressPolicy);

impl Service<Uri> for PolicyConnector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let policy = self.0.clone();
        Box::pin(async move { connect(&policy, &uri).await.map(TokioIo::new) })
    }
}

async fn connect(policy: &AddressPolicy, uri: &Uri) -> io::Result<TcpStream> {
    let host =
        uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let addresses = policy.resolve(&host, port).await?;
    let stream = TcpStream::connect(addresses.as_slice()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use keynet_base::outbound::AddressRefused;

    use super::*;

    #[tokio::test]
    async fn a_private_address_is_not_connected_to_however_it_is_named() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in
            ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"]
        {
            let uri: Uri = format!("http://{host}:{port}").parse().unwrap();
            let error = connect(&AddressPolicy::public(), &uri).await.unwrap_err();
            assert!(
                error.get_ref().is_some_and(|inner| inner.is::<AddressRefused>()),
                "{host}: {error}"
            );
        }
    }
}
