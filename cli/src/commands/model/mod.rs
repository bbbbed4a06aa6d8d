//! `model`: deploys models from a registry to an inference server, loads them and shows them.

mod change;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::errors::ExpectedError;
use crate::model::ServerArgs;
use crate::ui::console::Console;
use change::{DeployArgs, UpdateArgs};

/// Deploy models to the inference server that actions use, load them, show them.
///
/// The server is Triton at TRITON_URL, which reads its models from TRITON_MODEL_REPO: a folder,
/// s3://bucket/prefix or s3://http://host:port/bucket/prefix. Without TRITON_URL models run in
/// process, from a folder of this machine.
#[derive(Debug, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Put a model into the model repository and load it
    Deploy(DeployArgs),
    /// Deploy another version of a model
    Update(UpdateArgs),
    /// Unload a deployed model and remove its files
    Delete(NamedArgs),
    /// List the deployed models that are ready
    List(ServerArgs),
    /// Show a model: its versions, its source, its inputs and outputs
    Get(NamedArgs),
    /// Load a model from the model repository
    Load(NamedArgs),
    /// Unload a model; its files stay
    Unload(NamedArgs),
    /// Show the states of all models, or of one, and the server's statistics
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct NamedArgs {
    /// The model's name on the server
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// One model [default: all of them]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Runs a subcommand of `model`.
///
/// # Errors
/// The subcommand failed. With `--json` the error is printed as JSON and not returned.
pub fn run(args: &ModelArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    match &args.command {
        ModelCommand::Deploy(args) => change::deploy(args, console),
        ModelCommand::Update(args) => change::update(args, console),
        ModelCommand::Delete(args) => change::delete(args, console),
        ModelCommand::Load(args) => change::load(args, console),
        ModelCommand::Unload(args) => change::unload(args, console),
        ModelCommand::List(args) => show::list(args, console),
        ModelCommand::Get(args) => show::get(args, console),
        ModelCommand::Status(args) => show::status(args, console),
    }
}
