//! `keynet-inference`: makes, builds, runs, inspects and publishes inference actions.
//!
//! Each command is a file in [`commands`]; [`project`] handles the project's folder, the crate
//! `keynet-host` runs actions, [`account`] stores logins, and [`keynet_platform`] publishes on the
//! Keynet platform. Results go to standard output and everything else to standard error; every
//! failure that is not a bug is an [`errors::ExpectedError`] with an exit code.

mod account;
mod commands;
mod component;
mod errors;
mod flags;
mod image;
mod input;
mod keynet_platform;
mod local_backends;
mod model;
mod openwhisk;
mod project;
mod pulled;
mod recordings;
mod reference;
mod registry;
mod runtime;
mod serve;
mod settings;
mod storage;
mod ui;

use std::process::ExitCode;

use commands::command_line;
use ui::console::Console;
use ui::secrecy::Hidden;

fn main() -> ExitCode {
    keynet_host::engine::run_if_compiler();
    let cli = command_line::parse();
    let console = Console::new(cli.color);
    start_tracing(cli.verbose, console);
    match commands::run(cli.command, console) {
        Ok(code) => code,
        Err(error) => {
            console.say(&error.report(console));
            error.exit().into()
        }
    }
}

/// Sends the host's own diagnostics to standard error: warnings; with `-v` also its actions, with
/// `-vv` their details; `RUST_LOG` selects in detail.
fn start_tracing(verbose: u8, console: Console) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || Hidden::new(std::io::stderr(), console.watcher))
        .with_ansi(console.colored());
    if verbose == 0 {
        subscriber.without_time().with_target(false).init();
    } else {
        subscriber.init();
    }
}
