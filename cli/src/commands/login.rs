//! `login`: signs in to the Keynet platform, or to a registry.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use keynet_artifact::{ArtifactError, Credential, Given, Quiet, RegistryOptions};
use keynet_base::Config;
use serde::Serialize;

use crate::account::{Accounts, RegistryPrefix};
use crate::errors::{ExpectedError, UsageError};
use crate::flags::{HostArgs, RegistryArgs};
use crate::keynet_platform::{self, PlatformError, ServerUrl};
use crate::registry::RegistryError;
use crate::runtime::{self, Work};
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use crate::ui::prompt;
use crate::{registry, settings};

#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The server of the Keynet platform, such as `https://api.example.com` [default: prompt, with
    /// the last server as the default]
    #[arg(value_name = "URL", conflicts_with = "host")]
    url: Option<String>,
    /// A registry instead of the Keynet platform, optionally with the path that the login is for,
    /// such as ghcr.io/team
    #[arg(long = "registry", value_name = "HOST[/PREFIX]")]
    host: Option<RegistryPrefix>,
    /// User name; on the Keynet platform an e-mail address [default: prompt]
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from standard input [default: prompt, without echo]
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Print one JSON object: the result or the error
    #[arg(long)]
    json: bool,
}

/// A login that was stored.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum LoggedIn {
    Platform { server: String, username: String, expires_at: Option<String> },
    Registry { registry: String, username: String },
}

impl CommandOutput for LoggedIn {
    fn line(&self) -> String {
        match self {
            Self::Platform { server, username, expires_at: Some(until) } => {
                format!("signed in as {username} at {server}, until {until}")
            }
            Self::Platform { server, username, expires_at: None } => {
                format!("signed in as {username} at {server}")
            }
            Self::Registry { registry, username } => {
                format!("signed in as {username} at {registry}")
            }
        }
    }
}

/// Signs in.
///
/// # Errors
/// The server rejects the credentials, or the login cannot be stored. With `--json` the error is
/// printed as JSON and not returned.
pub fn run(args: LoginArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let logged_in = match &args.host {
        Some(prefix) => to_registry(&args, prefix, console),
        None => to_platform(&args, console),
    };
    output::tell(logged_in, args.json, console)
}

fn to_platform(args: &LoginArgs, console: Console) -> Result<LoggedIn, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let authorities = registry::authorities(&args.registry, &config)?;
    let file = Accounts::from_environment()?.platform();
    let url = match &args.url {
        Some(url) => url.clone(),
        None => prompt::line(
            "Server URL",
            file.server()?.as_deref(),
            "server's URL",
            "keynet-inference login <server-url>",
            console,
        )?,
    };
    let server = ServerUrl::parse(&url)
        .map_err(|why| UsageError::Argument { argument: "the server's URL".to_owned(), why })?;
    if server.is_readable_on_the_way() && !args.registry.insecure {
        return Err(PlatformError::ReadableOnTheWay(server.to_string()).into());
    }
    let username = username(args, "Email", console)?;
    let password = prompt::password(args.password_stdin)?;
    let signing_in = keynet_platform::sign_in(&server, &username, &password, &authorities);
    let login = runtime::start(Work::One)?.block_on(signing_in)?;
    file.store(&login)?;
    Ok(LoggedIn::Platform {
        server: login.server,
        username,
        expires_at: login.expires.map(|expires| expires.text),
    })
}

fn to_registry(
    args: &LoginArgs,
    prefix: &RegistryPrefix,
    console: Console,
) -> Result<LoggedIn, ExpectedError> {
    let config = settings::read(&HostArgs::default())?;
    let file = Accounts::from_environment()?.registries();
    let username = username(args, "Username", console)?;
    let password = prompt::password(args.password_stdin)?;
    let credential = Credential::Basic { username: username.clone(), password: password.clone() };
    runtime::start(Work::One)?.block_on(check(prefix, credential, &args.registry, &config))?;
    file.store(prefix, &username, &password)?;
    Ok(LoggedIn::Registry { registry: prefix.to_string(), username })
}

/// Checks that the registry accepts the credential.
async fn check(
    prefix: &RegistryPrefix,
    credential: Credential,
    args: &RegistryArgs,
    config: &Config,
) -> Result<(), ExpectedError> {
    let given = Given { prefix: prefix.to_string(), credential };
    let options = RegistryOptions {
        credentials: Arc::new(given),
        ..registry::for_host(prefix.host(), args, config, Arc::new(Quiet))?
    };
    keynet_artifact::check_login(prefix.host(), prefix.path(), &options).await.map_err(|error| {
        match error {
            ArtifactError::Unauthorized { said, .. } | ArtifactError::Denied { said, .. } => {
                RegistryError::NotAccepted { registry: prefix.to_string(), said }.into()
            }
            other => other.into(),
        }
    })
}

fn username(args: &LoginArgs, question: &str, console: Console) -> Result<String, ExpectedError> {
    const FLAG: &str = "--username";
    match &args.username {
        Some(username) if !username.is_empty() => Ok(username.clone()),
        // Standard input holds the password, so the name cannot be read from it.
        _ if args.password_stdin => {
            Err(UsageError::Missing { what: "user".to_owned(), flag: FLAG }.into())
        }
        _ => prompt::line(question, None, "user", FLAG, console),
    }
}
