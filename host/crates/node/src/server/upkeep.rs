//! Work of the process that no request asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::page;

/// Interval of removing pictures whose time has passed.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Removes the pictures of all namespaces that the page stored and whose time has passed, from time
/// to time as long as the process runs.
pub(super) fn start(node: &Arc<Node>) {
    let node = Arc::clone(node);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            for namespace in node.tenants.all() {
                if let Err(error) = page::remove_expired(&namespace).await {
                    let namespace = &*namespace.name;
                    tracing::warn!(namespace, %error, "expired pictures cannot be removed");
                }
            }
        }
    });
}
