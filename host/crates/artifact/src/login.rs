//! Whether a registry believes who one is.

use super::error::Result;
use super::options::RegistryOptions;
use super::registry::Registry;

/// Shows the registry `host` the credentials for what is below `path` of it (empty for all of it),
/// without asking for anything. A registry that lets everybody in believes everybody.
///
/// # Errors
/// `Unauthorized`, `Denied`, `Realm`, and what registries answer with.
pub async fn check_login(host: &str, path: &str, options: &RegistryOptions) -> Result<()> {
    Registry::check_login(host, path, options).await
}
