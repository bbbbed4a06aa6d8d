//! Embedded storage for commands: opening it, and the address of its server.

use std::net::IpAddr;

use keynet_base::config::DEFAULT_STORAGE_ADDRESS;
use keynet_base::{AllowedHosts, Config};
use keynet_object_storage::Location;
use keynet_object_storage::folder_store::{
    DEFAULT_BUCKET, FolderStore, FolderStoreSettings, ServeLimits,
};

use crate::errors::ExpectedError;
use crate::input::address::ListenAddress;

/// Opens the folder of objects.
///
/// # Errors
/// The folder cannot be read and written.
pub fn open(config: &Config) -> Result<FolderStore, ExpectedError> {
    FolderStore::open(FolderStoreSettings {
        folder: config.embedded_storage.folder.clone(),
        state: keynet_base::state::StateDir::new(&config.state_dir),
        bucket: DEFAULT_BUCKET.to_owned(),
        public_url: Some(config.embedded_storage.local_url()),
        internal_url: None,
        max_total: config.embedded_storage.max_total,
    })
    .map_err(ExpectedError::from)
}

/// Returns the place of an object for a person: the file, or its bucket and key.
pub fn place_of(location: &Location, config: &Config) -> String {
    match (&config.s3, location) {
        (Some(s3), Location::Object { bucket: None, key }) => format!("s3://{}/{key}", s3.bucket),
        (None, Location::Object { key, .. }) => {
            config.embedded_storage.folder.join(key.as_str()).display().to_string()
        }
        _ => location.to_string(),
    }
}

/// Returns the limits of the storage server, which accepts `hosts` and the host of presigned URLs.
pub fn limits(config: &Config, hosts: AllowedHosts) -> ServeLimits {
    let public = config.embedded_storage.local_url();
    let hosts = public.host_str().map_or(hosts.clone(), |host| hosts.called(host));
    ServeLimits {
        max_object_write: config.storage_max_write,
        hosts: Some(hosts),
        ..ServeLimits::default()
    }
}

/// Returns the address of presigned URLs, if they can be reached from this machine only.
pub fn public_address(config: &Config) -> Option<ListenAddress> {
    let url = config.embedded_storage.local_url();
    let host = url.host_str().filter(|_| url.scheme() == "http")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let local =
        host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    local.then(|| Some(ListenAddress::new(host, url.port_or_known_default()?))).flatten()
}

/// Returns the default address of `storage serve`.
pub fn default_address(config: &Config) -> ListenAddress {
    public_address(config).unwrap_or_else(|| ListenAddress::at(DEFAULT_STORAGE_ADDRESS))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn address(public_url: &str) -> Option<String> {
        let variables =
            BTreeMap::from([("KEYNET_STORAGE_PUBLIC_URL".to_owned(), public_url.to_owned())]);
        let config =
            Config::from_origins(vec![(keynet_base::config::Origin::Container, variables)])
                .unwrap();
        public_address(&config).map(|address| address.to_string())
    }

    #[test]
    fn only_an_address_of_this_machine_is_listened_on() {
        assert_eq!(address("").as_deref(), Some(DEFAULT_STORAGE_ADDRESS));
        assert_eq!(address("http://localhost:7000/objects").as_deref(), Some("localhost:7000"));
        assert_eq!(address("http://[::1]:7000").as_deref(), Some("[::1]:7000"));
        assert_eq!(address("https://127.0.0.1:7000"), None);
        assert_eq!(address("http://objects.example.com"), None);
    }
}
