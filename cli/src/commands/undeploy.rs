//! `undeploy`: removes an OpenWhisk action.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::flags::AnswerArgs;
use crate::openwhisk::args::ApiArgs;
use crate::openwhisk::error::OpenWhiskError;
use crate::runtime::{self, Work};
use crate::ui::console::{Console, printable};
use crate::ui::output::{self, CommandOutput};
use keynet_openwhisk_api::name::ActionName;

#[derive(Debug, Args)]
pub struct UndeployArgs {
    /// The action: name, package/name or /namespace/package/name
    #[arg(value_name = "NAME")]
    name: ActionName,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Output of the command.
#[derive(Debug, Serialize)]
struct Removed {
    name: String,
    removed: bool,
}

impl CommandOutput for Removed {
    fn line(&self) -> String {
        format!("removed {}", printable(&self.name))
    }
}

/// Removes the action. The published component stays.
///
/// # Errors
/// The action does not exist. With `--json` the error is printed as JSON and not returned.
pub fn run(args: &UndeployArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    output::tell(undeploy(args), args.answer.json, console)
}

fn undeploy(args: &UndeployArgs) -> Result<Removed, ExpectedError> {
    let api = args.api.client()?;
    runtime::start(Work::One)?
        .block_on(api.delete_action(&args.name))
        .map_err(OpenWhiskError::Api)?;
    Ok(Removed { name: args.name.to_string(), removed: true })
}
