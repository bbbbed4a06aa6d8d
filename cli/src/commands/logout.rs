//! `logout`: removes a stored login.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::account::{Accounts, RegistryPrefix};
use crate::errors::ExpectedError;
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};

#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// Remove the login of this registry [default: that of the Keynet platform]
    #[arg(long = "registry", value_name = "HOST[/PREFIX]")]
    host: Option<RegistryPrefix>,
    /// Print one JSON object: the result or the error
    #[arg(long)]
    json: bool,
}

/// Output of the command.
#[derive(Debug, Serialize)]
struct LoggedOut {
    /// `false` if there was no login.
    removed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
    file: String,
}

impl CommandOutput for LoggedOut {
    fn line(&self) -> String {
        match self {
            Self { removed: true, registry: None, file } => format!("signed out: removed {file}"),
            Self { removed: true, registry: Some(registry), file } => {
                format!("signed out of {registry}: removed its login from {file}")
            }
            Self { removed: false, registry: None, .. } => "not signed in: there is nothing \
                to remove"
                .to_owned(),
            Self { removed: false, registry: Some(registry), .. } => {
                format!("not signed in at {registry}: there is nothing to remove")
            }
        }
    }
}

/// Removes a login. A login that does not exist is not an error.
///
/// # Errors
/// The file cannot be changed. With `--json` the error is printed as JSON and not returned.
pub fn run(args: &LogoutArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    output::tell(forget(args), args.json, console)
}

fn forget(args: &LogoutArgs) -> Result<LoggedOut, ExpectedError> {
    let accounts = Accounts::from_environment()?;
    let (removed, path) = match &args.host {
        None => (accounts.platform().remove()?, accounts.platform().path().to_owned()),
        Some(prefix) => {
            (accounts.registries().remove(prefix)?, accounts.registries().path().to_owned())
        }
    };
    Ok(LoggedOut {
        removed,
        registry: args.host.as_ref().map(ToString::to_string),
        file: path.display().to_string(),
    })
}
