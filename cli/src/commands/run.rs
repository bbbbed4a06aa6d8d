//! `run`: a component once, its result on standard output; or served by HTTP.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use keynet_host::{Action, ActivationRequest, Config, Host, Outcome, Receipt};
use serde::Serialize;

use crate::address::ListenAddress;
use crate::args::{HostArgs, HostNameArgs, RegistryArgs};
use crate::component::Component;
use crate::console::{Console, Logs};
use crate::errors::ExpectedError;
use crate::inputs::Inputs;
use crate::parameters::{Draft, Input, Param};
use crate::progress::Steps;
use crate::reference::Source;
use crate::runtime::{self, Work};
use crate::{answer, config, permissions, receipt, serve, storage};

/// What to run, with what, how.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The component: a file, the file of a function, which is built, or the reference of
    /// a published one
    #[arg(value_name = "ACTION.wasm|FUNCTION|REF")]
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
    /// Answer with one JSON object: the result or the error, and the receipt
    #[arg(long)]
    pub json: bool,
    /// Keep the action loaded and answer POST / with its results until Ctrl-C
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = ListenAddress::DEFAULT,
          conflicts_with_all = ["params", "params_file", "inputs", "json"])]
    pub serve: Option<ListenAddress>,
    #[command(flatten)]
    hosts: HostNameArgs,
}

/// How a run that began has ended.
struct Ended {
    outcome: Outcome,
    /// What came before: starting the host and loading the action.
    loaded: Duration,
}

/// What `--json` has besides the result.
#[derive(Serialize)]
struct Cost {
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

/// Runs or serves it.
///
/// # Errors
/// Whatever keeps it from running, and the failure of the action itself. With `--json` they are
/// told as JSON and are no errors here.
pub fn run(args: RunArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    if let Some(address) = &args.serve {
        let config = config::read(&args.host)?;
        let source = Source::parse(&args.action)?.built(&config, Steps::new(false, console))?;
        let serving = async {
            let component = Component::of(&source, &args.registry, &config, console).await?;
            let policy = component.policy(args.trust);
            serve::Server {
                address,
                hosts: &args.hosts,
                config,
                component,
                policy,
                time: args.time,
                console,
            }
            .run()
            .await
        };
        return runtime::start(Work::Many)?.block_on(serving).map(|()| ExitCode::SUCCESS);
    }
    let (json, time) = (args.json, args.time);
    let (result, receipt) = match once(args, console) {
        Ok(Ended { outcome, loaded }) => {
            if time {
                console.say(&receipt::table(&outcome.receipt, loaded));
            }
            (outcome.result.map(String::from).map_err(ExpectedError::Failed), Some(outcome.receipt))
        }
        Err(error) => (Err(error), None),
    };
    answer::tell_result(result, Cost { receipt }, json, console)
}

fn once(args: RunArgs, console: Console) -> Result<Ended, ExpectedError> {
    let mut config = config::read(&args.host)?;
    config.concurrency = 1;
    let source = Source::parse(&args.action)?;
    let mut draft = Draft::read(args.params_file.as_deref(), &args.params)?;
    for name in draft.reserved() {
        console.note(format_args!(
            "the parameter {name} is left out: it is configuration, which actions do not see; set \
                it in the environment"
        ));
    }
    let inputs = Inputs::read(args.inputs)?;
    let source = source.built(&config, Steps::new(false, console))?;

    let started = Instant::now();
    runtime::start(Work::One)?.block_on(async {
        let component = Component::of(&source, &args.registry, &config, console).await?;
        let host = Arc::new(Host::under(&config, component.policy(args.trust))?);
        let action = component.load(Arc::clone(&host)).await?;
        if component.published {
            permissions::show_once(&action, &args.action, &config, console);
        }
        say_where_things_are(&action, &config, console);
        if !inputs.is_empty() {
            inputs.store(&*host.storage().map_err(ExpectedError::Storage)?, &mut draft).await?;
        }
        let parameters = draft.finish()?;
        let loaded = started.elapsed();
        let logs = Arc::new(Logs::new(console));
        let outcome = action
            .run(ActivationRequest { parameters, environment: Vec::new(), deadline: None, logs })
            .await;
        host.close().await;
        for location in &outcome.written {
            console.note(format_args!("wrote {}", storage::place_of(location, &config)));
        }
        Ok(Ended { outcome, loaded })
    })
}

/// Says which embedded defaults an action will meet, one line each, where it uses them at all.
pub fn say_where_things_are(action: &Action, config: &Config, console: Console) {
    let models = &config.embedded_models.folder;
    if action.imports().has("triton-predict") && config.triton.is_none() {
        if models.is_dir() {
            console.note(format_args!(
                "models are run in process, from {} (TRITON_URL is not set)",
                models.display()
            ));
        } else {
            console.note(format_args!(
                "there are no models: no folder {} (--models, or TRITON_URL)",
                models.display()
            ));
        }
    }
    if action.imports().has("storage") && config.s3.is_none() {
        let storage = config.embedded_storage.folder.display();
        let read = storage::public_address(config).map_or(String::new(), |_| {
            "; `keynet-inference storage \
                serve` answers their URLs"
                .to_owned()
        });
        console.note(format_args!(
            "objects are files in {storage} (AWS_BUCKET_NAME is not set){read}"
        ));
    }
}
