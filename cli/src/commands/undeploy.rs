//! `undeploy`: removes an OpenWhisk action.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::args::AnswerArgs;
use crate::console::{Console, printable};
use crate::errors::ExpectedError;
use crate::openwhisk::client::Api;
use crate::openwhisk::error::OpenWhiskError;
use crate::openwhisk::name::ActionName;
use crate::openwhisk::settings::{ApiArgs, ApiSettings};
use crate::runtime::{self, Work};

/// What to remove.
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

/// What was removed.
#[derive(Debug, Serialize)]
struct Removed {
    name: String,
    removed: bool,
}

impl Answer for Removed {
    fn line(&self) -> String {
        format!("removed {}", printable(&self.name))
    }
}

/// Removes it. What was published stays where it is.
///
/// # Errors
/// It is not there. With `--json` it is told as JSON and is no error here.
pub fn run(args: &UndeployArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    answer::tell(undeploy(args), args.answer.json, console)
}

fn undeploy(args: &UndeployArgs) -> Result<Removed, ExpectedError> {
    let api = Api::new(ApiSettings::read(&args.api)?)?;
    runtime::start(Work::One)?
        .block_on(api.delete_action(&args.name))
        .map_err(OpenWhiskError::Api)?;
    Ok(Removed { name: args.name.to_string(), removed: true })
}
