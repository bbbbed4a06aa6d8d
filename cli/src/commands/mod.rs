//! The commands, a file each.

pub mod build;
pub mod completions;
pub mod inspect;
pub mod new;
pub mod run;
pub mod storage;

use std::process::ExitCode;

use crate::args::Command;
use crate::console::Console;
use crate::errors::ExpectedError;

/// Does what the command line says.
///
/// # Errors
/// Whatever the command could not do.
pub fn run(command: Command, console: Console) -> Result<ExitCode, ExpectedError> {
    match command {
        Command::New(args) => new::run(&args, console),
        Command::Build(args) => build::run(&args, console),
        // With `--json` it tells its failures itself.
        Command::Run(args) => return run::run(*args, console),
        Command::Inspect(args) => inspect::run(&args, console),
        Command::Storage(args) => storage::run(args, console),
        Command::Completions(args) => completions::run(args, console),
    }
    .map(|()| ExitCode::SUCCESS)
}
