//! The flags for OpenWhisk's API.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;
use keynet_base::config::Secret;
use keynet_openwhisk_api::client::{Api, ApiSettings, Overrides};

use super::error::OpenWhiskError;

/// The flags for OpenWhisk's API and the key.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "OpenWhisk")]
pub struct ApiArgs {
    /// Address of the API [also: WSK_APIHOST, WHISK_APIHOST, APIHOST in ~/.wskprops]
    #[arg(long, value_name = "HOST")]
    apihost: Option<String>,
    /// The key, uuid:key; other users of this machine can see it here [also: WSK_AUTH, WHISK_AUTH,
    /// AUTH in ~/.wskprops]
    #[arg(short = 'u', long, value_name = "KEY", value_parser = secret)]
    auth: Option<Secret>,
    /// The namespace for names without one [default: the key's own]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Do not verify the server's certificate
    #[arg(short, long)]
    insecure: bool,
    /// Trust the certificate authorities in this PEM file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl ApiArgs {
    /// Returns the settings under these flags.
    ///
    /// # Errors
    /// The address or the key is missing or unusable.
    pub fn settings(&self) -> Result<ApiSettings, OpenWhiskError> {
        Ok(ApiSettings::read(&Overrides {
            api_host: self.apihost.clone(),
            key: self.auth.clone(),
            namespace: self.namespace.clone(),
            insecure: self.insecure,
            ca: self.ca.clone(),
        })?)
    }

    /// Returns a client under these flags. It has sent no request yet.
    ///
    /// # Errors
    /// As [`ApiArgs::settings`]; a file of certificates is unusable.
    pub fn client(&self) -> Result<Api, OpenWhiskError> {
        Ok(Api::new(self.settings()?)?)
    }
}

/// Accepts any text as a secret, so that no error has to show it.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}
