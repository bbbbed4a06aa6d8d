//! `dev`: builds and runs a project, and does so again after each change of its files.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use keynet_host::ActivationRequest;
use keynet_host::Host;

use crate::component::Component;
use crate::errors::ExpectedError;
use crate::flags::HostArgs;
use crate::input::inputs::Inputs;
use crate::input::parameters::{Draft, Input, Param};
use crate::input::unknown;
use crate::project::ProjectSource;
use crate::project::cargo;
use crate::project::watch::Watch;
use crate::runtime::{self, Work};
use crate::ui::console::{Console, Logs};
use crate::ui::progress::Steps;
use crate::ui::{json_text, permissions, units};
use crate::{local_backends, settings, storage};

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The project's folder, or the file of its function
    #[arg(value_name = "PROJECT", default_value = ".")]
    project: PathBuf,
    /// Set a parameter: to JSON where VALUE can be read as JSON, otherwise to text; stands above
    /// --params-file
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    params: Vec<Param>,
    /// Take the parameters from a file with a JSON object
    #[arg(long, value_name = "FILE")]
    params_file: Option<PathBuf>,
    /// Put a file into storage and set a parameter to the URL that reads it
    #[arg(long = "input", value_name = "KEY=FILE")]
    inputs: Vec<Input>,
    #[command(flatten)]
    host: HostArgs,
}

/// Builds and runs a project until Ctrl-C; after a failure, prints it and waits for the next
/// change.
///
/// # Errors
/// The input cannot be used, or the project's folder cannot be read.
pub fn run(args: &DevArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let mut config = settings::read(&args.host)?;
    config.concurrency = 1;
    let runtime = runtime::start(Work::One)?;
    let mut watch =
        Watch::new(&args.project, &[&config.embedded_storage.folder, &config.artifacts]);
    watch.add(args.params_file.iter().chain(args.inputs.iter().map(|input| &input.path)));
    let mut host = None;
    loop {
        // The snapshot is taken before the build, so that a change during the build is not missed.
        let seen = watch.snapshot()?;
        let started = Instant::now();
        let round = Round { args, config: &config, console };
        match round.build() {
            Ok(component) => {
                let built = started.elapsed();
                let ended = runtime.block_on(round.activate(&mut host, &component));
                match ended {
                    Ok(()) => console.note(format_args!(
                        "built in {}, {} in all; waiting for a change in {}",
                        units::time(built),
                        units::time(started.elapsed()),
                        args.project.display()
                    )),
                    Err(error) => console.say(&error.report(console)),
                }
            }
            Err(error) => console.say(&error.report(console)),
        }
        watch.wait(&seen)?;
    }
}

/// One build and one run.
struct Round<'a> {
    args: &'a DevArgs,
    config: &'a keynet_base::Config,
    console: Console,
}

impl Round<'_> {
    fn build(&self) -> Result<Component, ExpectedError> {
        let steps = Steps::new(true, self.console);
        let (path, bytes) = match ProjectSource::find(&self.args.project)? {
            ProjectSource::Rust(folder) => {
                let (profile, arguments) = cargo::dev();
                let options = cargo::Options { profile, arguments: &arguments };
                let bytes = cargo::component(&folder, &options, self.config, self.console)?;
                (folder, bytes)
            }
            source => {
                let built = source.build(self.config, steps)?;
                (built.path, built.bytes)
            }
        };
        Ok(Component { path, bytes, published: false })
    }

    /// Runs the component once and prints its result. The host is created for the first run and
    /// reused.
    async fn activate(
        &self,
        host: &mut Option<Host>,
        component: &Component,
    ) -> Result<(), ExpectedError> {
        let mut draft = Draft::read(self.args.params_file.as_deref(), &self.args.params)?;
        let inputs = Inputs::read(self.args.inputs.clone())?;
        let is_first = host.is_none();
        let host = match host {
            Some(host) => host,
            None => host.insert(Host::new(self.config)?),
        };
        let action = component.load(host).await?;
        if is_first {
            local_backends::announce(&action, self.config, self.console);
            permissions::tell_denied(&action, self.console);
        }
        let names = unknown::named(&self.args.params, &self.args.inputs);
        unknown::tell(&action, names.iter().map(String::as_str), self.console);
        if !inputs.is_empty() {
            inputs.store(&*host.storage()?, &mut draft).await?;
        }
        let logs = Arc::new(Logs::new(self.console));
        let outcome = action.run(ActivationRequest::new(draft.finish()?, logs)).await;
        for location in &outcome.written {
            self.console.note(format_args!("wrote {}", storage::place_of(location, self.config)));
        }
        let layout = if self.console.reader { json_text::pretty } else { json_text::compact };
        self.console.print_json(&format!("{}\n", layout(&String::from(outcome.result?))))
    }
}
