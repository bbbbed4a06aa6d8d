//! `completions`: a completion script for a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::commands::command_line::Cli;
use crate::errors::ExpectedError;
use crate::ui::console::Console;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the completion script to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: CompletionsArgs, console: Console) -> Result<(), ExpectedError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keynet-inference", &mut script);
    console.print(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "keynet-inference", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(
                ["new", "build", "run", "inspect", "storage"]
                    .iter()
                    .all(|command| script.contains(command)),
                "{shell}"
            );
        }
    }
}
