//! Check of credentials at a registry.

use super::error::Result;
use super::options::RegistryOptions;
use super::registry::Registry;

/// Sends the credentials for everything below `path` (empty for all) to the registry `host`,
/// without requesting any content. A registry that allows anonymous access accepts any credentials.
///
/// # Errors
/// `Unauthorized`, `Denied`, `Realm`, and the errors of registries.
pub async fn check_login(host: &str, path: &str, options: &RegistryOptions) -> Result<()> {
    Registry::check_login(host, path, options).await
}
