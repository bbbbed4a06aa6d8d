//! The user's logins on the Keynet platform and at registries.
//!
//! Two files below `~/.config/keynet` (`$XDG_CONFIG_HOME/keynet`), readable only by their owner:
//! `config.json` holds the login on the Keynet platform and is shared with the Python package,
//! `registries.json` holds a login for each registry. Nothing here contacts a server.

mod credentials;
mod expiry;
mod file;
mod platform;
mod prefix;
mod registries;

use std::path::PathBuf;

pub use credentials::credentials;
pub use expiry::Expiry;
pub use file::AccountError;
pub use platform::{Harbor, PlatformFile, PlatformLogin};
pub use prefix::RegistryPrefix;
pub use registries::{RegistriesFile, RegistryLogin};

use file::PrivateFile;

/// Folder of both files.
#[derive(Debug, Clone)]
pub struct Accounts(PathBuf);

impl Accounts {
    /// Returns the folder in `XDG_CONFIG_HOME`, or in `.config` of `HOME`.
    ///
    /// # Errors
    /// Neither variable is set.
    pub fn from_environment() -> Result<Self, AccountError> {
        let folder = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let base =
            folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
        base.map(|base| Self(base.join("keynet"))).ok_or(AccountError::NoHome)
    }

    /// Returns the accounts stored in `folder`.
    #[cfg(test)]
    pub fn at(folder: &std::path::Path) -> Self {
        Self(folder.to_owned())
    }

    /// Returns the file of the login on the Keynet platform.
    pub fn platform(&self) -> PlatformFile {
        PlatformFile::new(PrivateFile::new(&self.0, "config.json"))
    }

    /// Returns the file of the logins at registries.
    pub fn registries(&self) -> RegistriesFile {
        RegistriesFile::new(PrivateFile::new(&self.0, "registries.json"))
    }
}
