//! A node without a configuration: one namespace, for the developer of this machine.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use keynet_base::config::DEFAULT_STORAGE_ADDRESS;
use keynet_base::new_file::NewFile;

use crate::config::{NamespaceConfig, NodeConfig};

/// Name of the namespace, as in a fresh OpenWhisk.
const NAMESPACE: &str = "guest";

/// Error of a key that cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the key {}: {error}", path.display())]
pub struct NewKeyError {
    path: PathBuf,
    error: io::Error,
}

/// What the developer of a node without a configuration uses it with.
#[derive(Debug, Clone)]
pub struct Developer {
    /// File of the key.
    pub key_file: PathBuf,
    /// `true` if the key was created now.
    pub key_is_new: bool,
    /// State folder of the namespace, which has the key of its objects' URLs.
    pub state: PathBuf,
    /// Folder of the namespace's objects.
    pub objects: PathBuf,
}

/// Returns the configuration, and what its developer needs. The key is created the first time.
pub(super) fn configuration(data: &Path) -> Result<(NodeConfig, Developer), NewKeyError> {
    let file = data.join("keys").join(format!("{NAMESPACE}.key"));
    let is_new = !file.exists();
    if is_new {
        new_key(&file)?;
    }
    let mut settings: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    settings.entry("KEYNET_MODELS".to_owned()).or_insert_with(|| "models".to_owned());
    settings
        .entry("KEYNET_STORAGE_PUBLIC_URL".to_owned())
        .or_insert_with(|| format!("http://{DEFAULT_STORAGE_ADDRESS}/"));
    let state = data.join("namespaces").join(NAMESPACE);
    let objects =
        settings.get("KEYNET_STORAGE").map_or_else(|| state.join("storage"), PathBuf::from);
    let mut config = NodeConfig::without_a_file();
    let namespace = NamespaceConfig::of_a_developer(file.clone(), settings);
    config.namespaces.insert(NAMESPACE.to_owned(), namespace);
    Ok((config, Developer { key_file: file, key_is_new: is_new, state, objects }))
}

/// Writes a new key, `UUID:SECRET`, to `file`, which only this user can read. Never replaces a
/// file.
///
/// # Errors
/// The file exists, or cannot be written.
pub fn new_key(file: &Path) -> Result<(), NewKeyError> {
    let failed = |error| NewKeyError { path: file.to_owned(), error };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        super::create_private(folder).map_err(failed)?;
    }
    if file.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let secret = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(|part| part.simple().to_string());
    let key = format!("{}:{}\n", uuid::Uuid::new_v4(), secret.concat());
    let new = NewFile::beside(file, NewFile::PRIVATE).map_err(failed)?;
    io::Write::write_all(&mut new.file(), key.as_bytes()).map_err(failed)?;
    new.put(file).map_err(failed)
}
