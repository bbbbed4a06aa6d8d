//! Who one is: on the Keynet platform and at registries.
//!
//! Two files below `~/.config/keynet` (`$XDG_CONFIG_HOME/keynet`), for their owner alone:
//! `config.json` is the platform's and is shared with the Python package, `registries.json` has a
//! login for each registry. Nothing here talks to a server.

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

/// The folder of both files.
#[derive(Debug, Clone)]
pub struct Accounts(PathBuf);

impl Accounts {
    /// Where the environment says: `XDG_CONFIG_HOME`, or `.config` in `HOME`.
    ///
    /// # Errors
    /// Neither is set.
    pub fn from_environment() -> Result<Self, AccountError> {
        let folder = |name: &str| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        let base =
            folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
        base.map(|base| Self(base.join("keynet"))).ok_or(AccountError::NoHome)
    }

    /// The files in `folder`.
    #[cfg(test)]
    pub fn at(folder: &std::path::Path) -> Self {
        Self(folder.to_owned())
    }

    /// The platform's.
    pub fn platform(&self) -> PlatformFile {
        PlatformFile::new(PrivateFile::new(&self.0, "config.json"))
    }

    /// Those of registries.
    pub fn registries(&self) -> RegistriesFile {
        RegistriesFile::new(PrivateFile::new(&self.0, "registries.json"))
    }
}
