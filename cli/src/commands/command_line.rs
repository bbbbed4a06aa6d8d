//! The command line.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser, Subcommand};

use crate::commands::{
    build::BuildArgs, completions::CompletionsArgs, deploy::DeployArgs, dev::DevArgs,
    image::ImageArgs, inspect::InspectArgs, invoke::InvokeArgs, keygen::KeygenArgs, list::ListArgs,
    login::LoginArgs, logout::LogoutArgs, logs::LogsArgs, model::ModelArgs, new::NewArgs,
    pull::PullArgs, push::PushArgs, run::RunArgs, serve::ServeArgs, storage::StorageArgs,
    tag::TagArgs, undeploy::UndeployArgs, verify::VerifyArgs, whoami::WhoamiArgs,
};
use crate::errors::EXIT_CODES;
use crate::input::address::ListenAddress;
use crate::ui::console::Color;

/// Make, build, run, inspect and publish inference actions.
///
/// An action is a WebAssembly component that takes parameters, runs inference on models, reads and
/// writes objects, and returns JSON. It runs in a sandbox: on this machine with models and objects
/// in folders, or in an OpenWhisk container.
#[derive(Debug, Parser)]
#[command(name = "keynet-inference", version, after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// Log what the host does; twice for more detail
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 100)]
    pub verbose: u8,
    /// Colour messages: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
        display_order = 101
    )]
    pub color: Color,
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a project for a new action
    New(NewArgs),
    /// Build a project into a component
    Build(BuildArgs),
    /// Run a component once, or serve it over HTTP
    Run(Box<RunArgs>),
    /// Build a project, run it, and again after each change of its files
    #[command(visible_aliases = ["watch", "up"])]
    Dev(Box<DevArgs>),
    /// Show what a component is and which permissions it has here
    Inspect(InspectArgs),
    /// Publish a component: on the Keynet platform, in a registry, or in a folder of this machine
    Push(Box<PushArgs>),
    /// Fetch a published component
    Pull(PullArgs),
    /// Give a published component another tag
    Tag(TagArgs),
    /// Verify the signature of a published component
    Verify(VerifyArgs),
    /// Generate a key pair for signing
    Keygen(KeygenArgs),
    /// Sign in to the Keynet platform, or to a registry
    Login(LoginArgs),
    /// Remove a stored login
    Logout(LogoutArgs),
    /// Show the stored logins
    Whoami(WhoamiArgs),
    /// Build container images, without a container engine
    Image(Box<ImageArgs>),
    /// Create or update an OpenWhisk action that runs a component
    Deploy(Box<DeployArgs>),
    /// Run an OpenWhisk action
    Invoke(Box<InvokeArgs>),
    /// Show the logs of activations of OpenWhisk actions
    Logs(LogsArgs),
    /// List the OpenWhisk actions of a namespace
    List(ListArgs),
    /// Remove an OpenWhisk action
    Undeploy(UndeployArgs),
    /// Serve OpenWhisk's API on this machine: actions of many namespaces in one process
    Serve(ServeArgs),
    /// Deploy models to the inference server that actions use
    Model(Box<ModelArgs>),
    /// Work with the objects of embedded storage
    Storage(StorageArgs),
    /// Write a shell's completions to standard output
    Completions(CompletionsArgs),
}

/// Parses the command line; for a usage error, or for `--help`, prints it and ends the process.
pub fn parse() -> Cli {
    Cli::try_parse_from(with_default_address(std::env::args_os()))
        .unwrap_or_else(|error| with_advice(error).exit())
}

/// Returns the error with a tip for `run action.wasm name=Ada`, which sets no parameter.
fn with_advice(mut error: clap::Error) -> clap::Error {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.clone(),
        _ => return error,
    };
    let is_assignment = argument.contains('=') && !argument.starts_with(['-', '=']);
    if error.kind() == ErrorKind::UnknownArgument && is_assignment {
        let tip = format!("a parameter is set with --param {argument}").into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// Returns the command line with the default address after a `--serve` that is followed by a file:
/// `run --serve function.py`, where the file would be taken for the address.
pub fn with_default_address(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let is_file = |argument: &OsString| {
        let endings = ["wasm", "py", "ts", "js", "go", "c", "cpp"];
        Path::new(argument).extension().is_some_and(|is| endings.iter().any(|ending| is == *ending))
    };
    let serve = arguments
        .windows(2)
        .position(|pair| matches!(pair, [option, file] if option == "--serve" && is_file(file)));
    if let Some(option) = serve.and_then(|at| arguments.get_mut(at)) {
        *option = format!("--serve={}", ListenAddress::DEFAULT).into();
    }
    arguments
}

#[cfg(test)]
mod help_tests;
#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn run(arguments: &[&str]) -> Result<RunArgs, clap::Error> {
        let cli = Cli::try_parse_from(["keynet-inference", "run"].iter().chain(arguments))?;
        match cli.command {
            Command::Run(run) => Ok(*run),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_what_the_readme_shows() {
        let args = run(&[
            "action.wasm",
            "--param",
            "a=1",
            "--param",
            "b=x",
            "--params-file",
            "-",
            "--input",
            "image_url=cat.jpg",
            "--models",
            "m",
            "--storage",
            "s",
            "--time",
            "--json",
            "--timeout",
            "5m",
            "--memory",
            "1GiB",
        ]) // one command line
        .unwrap();
        assert_eq!(args.params.len(), 2);
        assert_eq!(args.host.memory, Some(1 << 30));
        assert_eq!(args.host.timeout, Some(std::time::Duration::from_secs(300)));
        assert!(args.time && args.json && args.serve.is_none());
    }

    #[test]
    fn serve_has_a_default_address() {
        let address = |arguments: &[&str]| {
            run(arguments).map(|args| args.serve.map(|address| address.to_string()))
        };
        assert_eq!(address(&["a.wasm"]).unwrap(), None);
        assert_eq!(address(&["a.wasm", "--serve"]).unwrap().as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(
            address(&["a.wasm", "--serve", "9000"]).unwrap().as_deref(),
            Some("127.0.0.1:9000")
        );
        assert!(address(&["--serve", "a.wasm"]).is_err());
        assert!(address(&["a.wasm", "--serve", "--param", "a=1"]).is_err());
        for (arguments, expected) in [
            (
                vec!["run", "--serve", "function.py"],
                vec!["run", "--serve=127.0.0.1:8080", "function.py"],
            ),
            (vec!["run", "--serve", "9000", "a.wasm"], vec!["run", "--serve", "9000", "a.wasm"]),
            (vec!["run", "a.wasm", "--serve"], vec!["run", "a.wasm", "--serve"]),
        ] {
            assert_eq!(with_default_address(arguments.into_iter().map(OsString::from)), expected);
        }
    }

    #[test]
    fn a_parameter_without_its_flag_says_which_flag() {
        let error = with_advice(run(&["a.wasm", "name=Ada"]).unwrap_err()).to_string();
        assert!(error.contains("--param name=Ada"), "{error}");
        let other = with_advice(run(&["a.wasm", "b.wasm"]).unwrap_err()).to_string();
        assert!(!other.contains("--param b.wasm"), "{other}");
    }

    #[test]
    fn run_uses_the_project_in_the_current_folder() {
        for arguments in [&[][..], &["--param", "name=Ada"], &["--serve"], &["--serve", "9000"]] {
            assert!(run(arguments).is_ok(), "{arguments:?}");
        }
    }

    #[test]
    fn the_habits_of_cargo_and_spin_are_understood() {
        for arguments in [&["build", "greet"][..], &["build", "--release"], &["up"], &["watch"]] {
            Cli::try_parse_from(["keynet-inference"].iter().chain(arguments)).unwrap();
        }
    }

    /// Every size and duration of the command line is parsed by one table.
    #[test]
    fn a_bare_number_means_the_same_in_every_command() {
        for (arguments, meant) in [
            (&["run", "--memory", "256"][..], "256MiB"),
            (&["run", "--timeout", "5"], "5s or 5ms"),
            (&["dev", "--memory", "256"], "256MiB"),
            (&["dev", "--timeout", "5"], "5s or 5ms"),
            (&["deploy", "a.wasm", "--memory", "512"], "512MiB"),
            (&["deploy", "a.wasm", "--logsize", "10"], "10MiB"),
            (&["deploy", "a.wasm", "--timeout", "5"], "5s or 5ms"),
            (&["model", "list", "--timeout", "5"], "5s or 5ms"),
        ] {
            let all = ["keynet-inference"].iter().chain(arguments);
            let error = Cli::try_parse_from(all).unwrap_err().to_string();
            assert!(error.contains(meant), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_wrong_number_says_how_to_write_it() {
        let error = run(&["a.wasm", "--memory", "lots"]).unwrap_err().to_string();
        assert!(error.contains("256MiB"), "{error}");
        let error = run(&["a.wasm", "--param", "novalue"]).unwrap_err().to_string();
        assert!(error.contains("KEY=VALUE"), "{error}");
    }
}
