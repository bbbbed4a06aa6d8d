//! Resolver of an HTTP client: it returns only addresses that its policy allows.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address_policy::AddressPolicy;

/// Resolver on top of the system's that applies a policy. The client connects to these addresses;
/// it does not resolve the name again.
#[derive(Debug)]
pub(super) struct PolicyResolver(pub(super) AddressPolicy);

impl Resolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let addresses = policy.resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
