//! `run`: runs a component once and prints its result on standard output, or serves it over HTTP.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use keynet_host::ActivationRequest;
use keynet_host::Host;
use keynet_host::Outcome;
use keynet_host::Receipt;
use serde::Serialize;

use crate::component::Component;
use crate::errors::{Exit, ExpectedError, UsageError};
use crate::flags::{HostArgs, HostNameArgs, RegistryArgs};
use crate::input::address::ListenAddress;
use crate::input::inputs::Inputs;
use crate::input::parameters::{Draft, Input, Param};
use crate::input::unknown;
use crate::recordings::{self, Comparison, RecordingArgs};
use crate::reference::ComponentSource;
use crate::runtime::{self, Work};
use crate::ui::console::{Console, Logs};
use crate::ui::progress::Steps;
use crate::ui::trace::TraceFile;
use crate::ui::{output, permissions, receipt};
use crate::{local_backends, serve, settings, storage};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The component: a file, the file of a function or the folder of its project, which is built,
    /// or the reference of a published one [default: the project in the current folder]
    #[arg(value_name = "ACTION.wasm|FUNCTION|REF", default_value = ".", hide_default_value = true)]
    action: String,
    /// Set a parameter: to JSON where VALUE can be read as JSON, otherwise to text; stands above
    /// --params-file
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<Param>,
    /// Take the parameters from a file with a JSON object; - is standard input
    #[arg(long, value_name = "FILE")]
    params_file: Option<PathBuf>,
    /// Put a file into storage and set a parameter to the URL that reads it
    #[arg(long = "input", value_name = "KEY=FILE")]
    inputs: Vec<Input>,
    #[command(flatten)]
    pub host: HostArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Give what was published the policy of your own builds: it may read URLs of your private
    /// network
    #[arg(long)]
    trust: bool,
    /// Tell on standard error where time and memory went
    #[arg(long)]
    pub time: bool,
    /// Write when the run did what to a file, which ui.perfetto.dev and chrome://tracing show
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Answer with one JSON object: the result or the error, and the receipt
    #[arg(long)]
    pub json: bool,
    /// Keep the action loaded and answer POST / with its results until Ctrl-C, at 127.0.0.1:8080
    /// if no ADDRESS or port is given
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = ListenAddress::DEFAULT,
          conflicts_with_all = ["params", "params_file", "inputs", "trace", "json"])]
    pub serve: Option<ListenAddress>,
    #[command(flatten)]
    hosts: HostNameArgs,
    #[command(flatten)]
    recording: RecordingArgs,
}

/// Result of a run that started.
struct Ended {
    outcome: Outcome,
    /// Time before the run: starting the host and loading the action.
    loaded: Duration,
    /// Comparison with the recording that was replayed.
    compared: Option<Comparison>,
    /// Error of the recording that was to be written.
    kept: Result<(), ExpectedError>,
}

/// Fields that `--json` adds to the result.
#[derive(Default, Serialize)]
struct Facts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'a Comparison>,
}

/// Runs or serves the component.
///
/// # Errors
/// The component cannot be run, or the action itself fails. With `--json`, errors are printed as
/// JSON instead of being returned.
pub fn run(args: RunArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    if args.action.contains('=') && !Path::new(&args.action).exists() {
        let why = format!("it is no file; a parameter is set with --param {}", args.action);
        return Err(UsageError::Argument { argument: args.action, why }.into());
    }
    if let Some(address) = &args.serve {
        let config = settings::read(&args.host)?;
        let source =
            ComponentSource::parse(&args.action)?.built(&config, Steps::new(false, console))?;
        let serving = async {
            let component = Component::of(&source, &args.registry, &config, console).await?;
            let policy = component.policy(args.trust);
            let shelf = args.recording.shelf()?;
            serve::Server {
                address,
                hosts: &args.hosts,
                config,
                component,
                policy,
                time: args.time,
                shelf,
                console,
            }
            .run()
            .await
        };
        return runtime::start(Work::Many)?.block_on(serving).map(|()| ExitCode::SUCCESS);
    }
    let (json, time) = (args.json, args.time);
    let Ended { outcome, loaded, compared, kept } = match once(args, console) {
        Ok(ended) => ended,
        Err(error) => return output::tell_result(Err(error), Facts::default(), json, console),
    };
    if time {
        console.say(&receipt::table(&outcome.receipt, loaded));
    }
    let failed = outcome.result.is_err();
    if let Some(compared) = compared.as_ref().filter(|_| failed && !json) {
        compared.tell(console);
    }
    let facts = Facts { receipt: Some(outcome.receipt), replay: compared.as_ref() };
    let result = outcome.result.map(String::from).map_err(ExpectedError::from);
    let code = output::tell_result(result, facts, json, console);
    if failed {
        if let Err(error) = kept {
            console.note(error.one_line());
        }
        return code;
    }
    let code = code?;
    kept?;
    match compared {
        Some(compared) if json && !compared.is_same() => Ok(Exit::Differs.into()),
        Some(compared) if !json => Ok(compared.check().map(|()| code)?),
        _ => Ok(code),
    }
}

fn once(args: RunArgs, console: Console) -> Result<Ended, ExpectedError> {
    let mut config = settings::read(&args.host)?;
    config.concurrency = 1;
    let replay = args.recording.replay()?;
    let recorder = args.recording.recorder()?.map(|recorder| match &replay {
        Some(replay) => recorder.before(Arc::clone(replay) as _),
        None => recorder,
    });
    let source = ComponentSource::parse(&args.action)?;
    let mut draft = Draft::read(args.params_file.as_deref(), &args.params)?;
    for name in draft.reserved() {
        console.note(format_args!(
            "the parameter {name} is left out: it is configuration, which actions do not see; set \
                it in the environment"
        ));
    }
    let names = unknown::named(&args.params, &args.inputs);
    let inputs = Inputs::read(args.inputs)?;
    let source = source.built(&config, Steps::new(false, console))?;
    let trace = args.trace.as_deref().map(TraceFile::create).transpose()?;

    let started = Instant::now();
    runtime::start(Work::One)?.block_on(async {
        let component = Component::of(&source, &args.registry, &config, console).await?;
        let host = match &replay {
            Some(replay) => recordings::host(&config, replay, &args.host.limits())?,
            None => Host::builder(&config).default_policy(component.policy(args.trust)).build()?,
        };
        let action = component.load(&host).await?;
        let parameters = match &replay {
            Some(replay) => {
                recordings::announce(replay, &action, console);
                replay.parameters().clone()
            }
            None => {
                if component.published {
                    permissions::show_once(&action, &args.action, &config, console);
                }
                local_backends::announce(&action, &config, console);
                permissions::tell_denied(&action, console);
                unknown::tell(&action, names.iter().map(String::as_str), console);
                if !inputs.is_empty() {
                    let storage = host.storage().map_err(ExpectedError::from)?;
                    inputs.store(&storage, &mut draft).await?;
                }
                draft.finish()?
            }
        };
        let loaded = started.elapsed();
        let logs = Arc::new(Logs::new(console));
        let mut request = ActivationRequest::new(parameters.clone(), logs);
        request.recording.timeline = trace.is_some();
        let outcome = match (&recorder, &replay) {
            (Some(recorder), _) => action.run_within(recorder, request).await,
            (None, Some(replay)) => action.run_within(&**replay, request).await,
            (None, None) => action.run(request).await,
        };
        host.close().await;
        if let Some(trace) = trace {
            trace.write(&action.description().name, started, loaded, &outcome)?;
        }
        let (policy, result) = (host.policy(), &outcome.result);
        let compared = replay.as_ref().map(|replay| args.recording.compare(replay, result));
        let ended =
            recordings::Activation { action: &action, policy, parameters: &parameters, result };
        let kept = match recorder {
            Some(recorder) => args.recording.finish(recorder, ended, console),
            None => Ok(()),
        };
        if replay.is_some() {
            return Ok(Ended { outcome, loaded, compared, kept });
        }
        for location in &outcome.written {
            console.note(format_args!("wrote {}", storage::place_of(location, &config)));
        }
        Ok(Ended { outcome, loaded, compared, kept })
    })
}
