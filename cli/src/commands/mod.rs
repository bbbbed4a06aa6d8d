//! The commands, one file each.

pub mod build;
pub mod command_line;
pub mod completions;
pub mod deploy;
pub mod dev;
pub mod image;
pub mod inspect;
pub mod invoke;
pub mod keygen;
pub mod list;
pub mod login;
pub mod logout;
pub mod logs;
pub mod model;
pub mod new;
pub mod pull;
pub mod push;
pub mod run;
pub mod serve;
pub mod storage;
pub mod tag;
pub mod undeploy;
pub mod verify;
pub mod whoami;

use std::process::ExitCode;

use command_line::Command;

use crate::errors::ExpectedError;
use crate::ui::console::Console;

/// Runs the command.
///
/// # Errors
/// The command failed.
pub fn run(command: Command, console: Console) -> Result<ExitCode, ExpectedError> {
    match command {
        Command::New(args) => new::run(&args, console),
        Command::Build(args) => build::run(&args, console),
        // With `--json` these commands print their failures themselves.
        Command::Run(args) => return run::run(*args, console),
        Command::Inspect(args) => inspect::run(&args, console),
        Command::Push(args) => return push::run(*args, console),
        Command::Pull(args) => return pull::run(&args, console),
        Command::Tag(args) => return tag::run(&args, console),
        Command::Verify(args) => return verify::run(&args, console),
        Command::Keygen(args) => return keygen::run(&args, console),
        Command::Login(args) => return login::run(args, console),
        Command::Logout(args) => return logout::run(&args, console),
        Command::Whoami(args) => return whoami::run(&args, console),
        Command::Image(args) => return image::run(*args, console),
        Command::Dev(args) => return dev::run(&args, console),
        Command::Deploy(args) => return deploy::run(*args, console),
        Command::Invoke(args) => return invoke::run(*args, console),
        Command::Logs(args) => return logs::run(&args, console),
        Command::List(args) => return list::run(&args, console),
        Command::Undeploy(args) => return undeploy::run(&args, console),
        Command::Serve(args) => return serve::run(&args, console).map(|()| ExitCode::SUCCESS),
        Command::Model(args) => return model::run(&args, console),
        Command::Storage(args) => storage::run(args, console),
        Command::Completions(args) => completions::run(args, console),
    }
    .map(|()| ExitCode::SUCCESS)
}
