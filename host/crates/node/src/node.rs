//! State that all requests share.

use keynet_host::http::{Drain, Intake};

use crate::catalog::Catalog;
use crate::loading::Loader;
use crate::records::Records;
use crate::tenants::Tenants;

/// A node.
pub struct Node {
    /// Its URL, as actions see it in `__OW_API_HOST`.
    pub url: String,
    /// Namespaces.
    pub tenants: Tenants,
    /// Actions and packages.
    pub catalog: Catalog,
    /// Components of the actions.
    pub loader: Loader,
    /// Activation records.
    pub records: Records,
    /// Shutdown.
    pub drain: Drain,
    /// Bodies of requests.
    pub intake: Intake,
}
