//! Name resolution that hands out only addresses which may be connected to.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::outbound::address::is_global;

type Answer = Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;

/// What is asked for the addresses of a name.
pub(super) trait Lookup: Send + Sync + 'static {
    /// All of them; their ports do not matter.
    fn addresses(&self, name: &str) -> Answer;
}

/// The system's resolver, its files and its servers.
pub(super) struct SystemResolver;

impl Lookup for SystemResolver {
    fn addresses(&self, name: &str) -> Answer {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// A name all of whose addresses are such that it may not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not at a public address")]
pub(super) struct NotAllowed(pub(super) String);

/// Leaves out of every answer what is not global unicast. What remains is what the client connects
/// to: nobody asks again.
pub(super) struct GlobalResolver<L>(Arc<L>);

impl<L: Lookup> GlobalResolver<L> {
    pub(super) fn new(lookup: L) -> Self {
        Self(Arc::new(lookup))
    }
}

impl<L: Lookup> Resolve for GlobalResolver<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let found = lookup.addresses(name.as_str()).await?;
            let global: Vec<_> =
                found.into_iter().filter(|address| is_global(address.ip())).collect();
            if global.is_empty() {
                return Err(NotAllowed(name.as_str().to_owned()).into());
            }
            Ok(Box::new(global.into_iter()) as Addrs)
        })
    }
}
