//! Options for registries: the flags, over the environment's settings, and the user's logins.

use std::path::PathBuf;
use std::sync::Arc;

use keynet_artifact::{ArtifactRef, Progress, RegistryOptions};
use keynet_base::Config;
use keynet_base::pem::{self, PemError};

use crate::account::{Accounts, credentials};
use crate::errors::{Diagnostic, Exit, ExpectedError};
use crate::flags::RegistryArgs;
use crate::ui::console::Console;

/// Error of the options, or of a login, for a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A file of certificate authorities cannot be used.
    #[error("the certificate authorities cannot be used")]
    Authorities(#[from] PemError),
    /// The registry rejected the login.
    #[error("{registry} does not accept this login: {said}")]
    NotAccepted {
        registry: String,
        /// Message of the registry.
        said: String,
    },
}

impl Diagnostic for RegistryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Authorities(_) => Exit::Configuration,
            Self::NotAccepted { .. } => Exit::Login,
        }
    }
}

/// Returns the options for the registry of `reference`.
///
/// # Errors
/// A file of logins cannot be read.
pub fn options(
    reference: &ArtifactRef,
    args: &RegistryArgs,
    config: &Config,
    progress: Arc<dyn Progress>,
    console: Console,
) -> Result<RegistryOptions, ExpectedError> {
    let host = match reference {
        ArtifactRef::Registry(registry) => &registry.host,
        // A layout needs no login.
        ArtifactRef::Layout(_) => {
            return Ok(RegistryOptions { progress, ..RegistryOptions::default() });
        }
    };
    let accounts = Accounts::from_environment()?;
    warn_of_open_files(&accounts, console);
    Ok(RegistryOptions {
        credentials: credentials(&accounts)?,
        ..for_host(host, args, config, progress)?
    })
}

/// Returns the options for a registry, without a login.
///
/// # Errors
/// A file of certificate authorities cannot be used.
pub fn for_host(
    host: &str,
    args: &RegistryArgs,
    config: &Config,
    progress: Arc<dyn Progress>,
) -> Result<RegistryOptions, ExpectedError> {
    Ok(RegistryOptions {
        insecure: args.insecure || config.registry.is_insecure(host),
        ca_files: authorities(args, config)?,
        token_realms: config.registry.token_realms.clone(),
        uploads: Some(config.state_dir.join("uploads")),
        progress,
        ..RegistryOptions::default()
    })
}

/// Returns the files of certificate authorities that are trusted besides the system's. Checks them
/// before the first request: an unusable file must not silently change which servers are trusted.
///
/// # Errors
/// A file cannot be used.
pub fn authorities(args: &RegistryArgs, config: &Config) -> Result<Vec<PathBuf>, RegistryError> {
    let files = args.ca.iter().chain(&config.registry.ca);
    let checked = files.map(|path| pem::certificates(path).map(|_| path.clone()));
    Ok(checked.collect::<Result<_, _>>()?)
}

/// Prints a note for each file of logins that other users can read.
pub fn warn_of_open_files(accounts: &Accounts, console: Console) {
    let (platform, registries) = (accounts.platform(), accounts.registries());
    for (path, open) in [
        (platform.path(), platform.is_open_to_others()),
        (registries.path(), registries.is_open_to_others()),
    ] {
        if open {
            console.note(format_args!(
                "others can read your login: run `chmod 600 {}`",
                path.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_told_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.pem");
        std::fs::write(&path, "nothing").unwrap();
        let config = Config::from_origins(Vec::new()).unwrap();
        assert!(authorities(&RegistryArgs::default(), &config).unwrap().is_empty());
        for file in [path, folder.path().join("missing.pem")] {
            let args = RegistryArgs { ca: Some(file.clone()), ..RegistryArgs::default() };
            let error = authorities(&args, &config).unwrap_err();
            assert_eq!(error.exit(), Exit::Configuration);
            let told = ExpectedError::from(error).one_line();
            assert!(told.contains(&file.display().to_string()), "{told}");
        }
    }
}
