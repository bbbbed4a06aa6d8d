//! `whoami`: shows the stored logins, without their secrets.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::account::Accounts;
use crate::errors::{Diagnostic, Exit, ExpectedError};
use crate::registry;
use crate::ui::console::{Console, printable};
use crate::ui::output::{self, CommandOutput};

#[derive(Debug, Args)]
pub struct WhoamiArgs {
    /// Print one JSON object: the result or the error
    #[arg(long)]
    json: bool,
}

/// Output of the command.
#[derive(Debug, Default, Serialize)]
struct Who {
    server: Option<String>,
    username: Option<String>,
    expires_at: Option<String>,
    expired: bool,
    registries: Vec<AtRegistry>,
}

/// No login is stored.
#[derive(Debug, thiserror::Error)]
#[error("nobody is signed in: not on the Keynet platform, and not at a registry")]
struct NobodySignedIn;

impl Diagnostic for NobodySignedIn {
    fn exit(&self) -> Exit {
        Exit::Login
    }

    fn hint(&self) -> Option<String> {
        Some(
            "`keynet-inference login <server-url>` or `keynet-inference login --registry HOST` \
                signs in"
                .to_owned(),
        )
    }
}

/// A login at a registry.
#[derive(Debug, Serialize)]
struct AtRegistry {
    registry: String,
    username: String,
    /// `login`, or `platform` for the registry login that came with the login on the Keynet
    /// platform.
    origin: &'static str,
}

impl CommandOutput for Who {
    fn line(&self) -> String {
        let mut lines = Vec::new();
        match (&self.server, &self.username) {
            (Some(server), username) => {
                let mut line = format!("{} at {server}", username.as_deref().unwrap_or("somebody"));
                if let Some(until) = &self.expires_at {
                    let _ = write!(
                        line,
                        ", {} {until}",
                        if self.expired { "expired" } else { "until" }
                    );
                }
                lines.push(line);
            }
            (None, _) => lines.push("not signed in on the Keynet platform".to_owned()),
        }
        for AtRegistry { registry, username, origin } in &self.registries {
            let brought = if *origin == "platform" { " (the platform's registry)" } else { "" };
            lines.push(format!("{username} at {registry}{brought}"));
        }
        printable(&lines.join("\n")).into_owned()
    }

    /// Returns the code of a login that cannot be used, so that `whoami || login` signs in.
    fn code(&self) -> ExitCode {
        if self.expired || self.is_nobody() { Exit::Login.into() } else { ExitCode::SUCCESS }
    }
}

impl Who {
    fn is_nobody(&self) -> bool {
        self.server.is_none() && self.registries.is_empty()
    }
}

/// Prints the logins. Registries that only Docker's configuration knows are not listed.
///
/// # Errors
/// Nobody is signed in, or a file of logins cannot be read. With `--json` the error is printed as JSON and not returned.
pub fn run(args: &WhoamiArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let who = match who(console) {
        // With `--json` the object says so, and the exit code.
        Ok(who) if who.is_nobody() && !args.json => Err(NobodySignedIn.into()),
        who => who,
    };
    output::tell(who, args.json, console)
}

fn who(console: Console) -> Result<Who, ExpectedError> {
    let accounts = Accounts::from_environment()?;
    registry::warn_of_open_files(&accounts, console);
    let mut who = Who::default();
    for login in accounts.registries().logins()? {
        who.registries.push(AtRegistry {
            registry: login.prefix,
            username: login.username,
            origin: "login",
        });
    }
    let Some(login) = accounts.platform().login()? else { return Ok(who) };
    if let Some((host, harbor)) = login.harbor.and_then(|harbor| Some((harbor.host()?, harbor))) {
        who.registries.push(AtRegistry {
            registry: host,
            username: harbor.username,
            origin: "platform",
        });
    }
    who.expired = login.expires.as_ref().is_some_and(crate::account::Expiry::is_over);
    who.expires_at = login.expires.map(|expires| expires.text);
    who.server = Some(login.server);
    who.username = Some(login.username).filter(|username| !username.is_empty());
    Ok(who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_like_an_answer() {
        assert_eq!(Who::default().line(), "not signed in on the Keynet platform");
        let who = Who {
            server: Some("https://api.example.com/app-training".to_owned()),
            username: Some("ada@example.com".to_owned()),
            expires_at: Some("2020-01-01T00:00:00Z".to_owned()),
            expired: true,
            registries: vec![AtRegistry {
                registry: "harbor.example.com".into(),
                username: "robot".into(),
                origin: "platform",
            }],
        };
        let expected = "ada@example.com at https://api.example.com/app-training, expired \
            2020-01-01T00:00:00Z\n\
                        robot at harbor.example.com (the platform's registry)";
        assert_eq!(who.line(), expected);
    }
}
