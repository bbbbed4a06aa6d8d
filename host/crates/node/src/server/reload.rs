//! Reloading of `node.toml`: on SIGHUP, and when the content of one of its files changes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::retention;
use crate::config::NodeConfig;
use crate::node::Node;

/// Interval in which the files are looked at: a changed ConfigMap sends no signal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Reloads the configuration when it is asked for, as long as the process runs.
///
/// # Errors
/// The operating system refuses the signal handler.
pub(super) fn watch(node: &Arc<Node>, path: Option<&Path>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let Some(path) = path.map(Path::to_owned) else {
        // Without a handler the signal would end the process.
        tokio::spawn(async move { while hangup.recv().await.is_some() {} });
        return Ok(());
    };
    let node = Arc::clone(node);
    tokio::spawn(async move {
        let mut loaded = checksum(&path).await;
        loop {
            let asked = tokio::select! {
                signal = hangup.recv() => signal.is_some(),
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let now = checksum(&path).await;
            if !asked && now == loaded {
                continue;
            }
            loaded = now;
            let (node, path) = (Arc::clone(&node), path.clone());
            let reloading = tokio::task::spawn_blocking(move || reload(&node, &path));
            if reloading.await.is_err() {
                tracing::error!("reloading the configuration failed");
            }
        }
    });
    Ok(())
}

/// Returns a digest of the configuration and of all files that it names. Files that cannot be read
/// count as empty.
async fn checksum(path: &Path) -> Option<blake3::Hash> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        let mut files = vec![path.clone()];
        if let Ok(config) = NodeConfig::read(&path) {
            files.extend(config.namespaces.values().flat_map(|namespace| namespace.files()));
        }
        for file in files {
            hasher.update(&std::fs::read(file).unwrap_or_default());
        }
        hasher.finalize()
    });
    reading.await.ok()
}

/// Installs the namespaces of the file. A file that cannot be used changes nothing.
fn reload(node: &Node, path: &Path) {
    let installed = NodeConfig::read(path).map_err(|error| error.to_string()).and_then(|config| {
        node.tenants.replace(&config.namespaces).map_err(|error| error.to_string())?;
        node.records.set_retention(retention(&config.records), Default::default());
        Ok(config.namespaces.len())
    });
    match installed {
        Ok(namespaces) => {
            tracing::info!(namespaces, "the configuration was reloaded");
        }
        Err(error) => {
            tracing::error!(error, "the configuration cannot be used and was not reloaded");
        }
    }
}
