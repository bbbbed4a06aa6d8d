//! `deploy`: creates or updates an OpenWhisk action that runs a component.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::flags::{AnswerArgs, RegistryArgs};
use crate::input::parameters::Param;
use crate::openwhisk::args::ApiArgs;
use crate::openwhisk::deploy::{DeployRequest, DeploySource, Deployed, Plan, Values};
use crate::openwhisk::error::OpenWhiskError;
use crate::openwhisk::quantity::{parse_megabytes, parse_milliseconds};
use crate::runtime::{self, Work};
use crate::ui::console::{Console, printable};
use crate::ui::output::{self, CommandOutput};
use crate::ui::units;
use keynet_openwhisk_api::action::Limits;
use keynet_openwhisk_api::annotations::{Web, WebSecure};
use keynet_openwhisk_api::client::Api;
use keynet_openwhisk_api::name::ActionName;

#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The component: a file, the file of a function or the folder of its project, which is built,
    /// or the reference of a published one [default: the project in the current folder; with
    /// --image alone, the image holds the action]
    #[arg(value_name = "ACTION.wasm|FUNCTION|REF")]
    action: Option<String>,
    /// The OpenWhisk action: name, package/name or /namespace/package/name [default: the function's
    /// name]
    #[arg(long, value_name = "NAME")]
    name: Option<ActionName>,
    /// Run the action in this image, as a blackbox [also: KEYNET_RUNTIME_IMAGE; default: the kind
    /// wasm:component, where it is installed]
    #[arg(long, value_name = "IMAGE", conflicts_with = "kind")]
    image: Option<String>,
    /// Run the action as this kind of the runtime manifest of OpenWhisk
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Return results at a URL, without a key: true or yes, raw (the request as it is), false or no
    #[arg(long, value_name = "HOW")]
    web: Option<Web>,
    /// Secret that callers of a web action must send: true (generate a number), false, or a secret
    /// of your own
    #[arg(long, value_name = "SECRET")]
    web_secure: Option<WebSecure>,
    /// Memory of the container, such as 512MiB [default: unchanged, or 256MiB, or what compiling
    /// needs]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_megabytes)]
    memory: Option<u64>,
    /// Time limit of an activation, such as 60s [default: unchanged, or 60s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_milliseconds)]
    timeout: Option<u64>,
    /// Limit of the logs of an activation, such as 10MiB [default: unchanged, or 10MiB]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_megabytes)]
    logsize: Option<u64>,
    /// Number of activations that one container runs at the same time [default: unchanged, or 1]
    #[arg(short, long, value_name = "NUMBER")]
    concurrency: Option<u64>,
    /// A default parameter: JSON if VALUE can be parsed as JSON, otherwise text; the parameters
    /// replace all that the action had
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    params: Vec<Param>,
    /// Read default parameters from a file with a JSON object; - is standard input
    #[arg(short = 'P', long, visible_alias = "param-file", value_name = "FILE")]
    params_file: Option<PathBuf>,
    /// A variable of the container, such as TRITON_URL, sent at /init and not visible to callers;
    /// stored as a default parameter
    #[arg(short, long = "env", value_name = "KEY=VALUE")]
    env: Vec<Param>,
    /// Read such variables from a file with a JSON object, so that other users of this machine do
    /// not see them
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// An annotation: JSON if VALUE can be parsed as JSON, otherwise text
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    annotations: Vec<Param>,
    /// Pass the caller's key to the container; an action that requests it may read it
    #[arg(long)]
    provide_api_key: bool,
    /// Do not compile the component here to check that the action's memory is enough for it
    #[arg(long)]
    skip_memory_check: bool,
    #[command(flatten)]
    api: ApiArgs,
    /// Use plain HTTP with the registry of REF; without this option only on this machine [also:
    /// KEYNET_REGISTRY_INSECURE, a list of hosts]
    #[arg(long, help_heading = "Registry")]
    registry_insecure: bool,
    /// Trust the certificate authorities in this PEM file when reading REF [also:
    /// KEYNET_REGISTRY_CA]
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    registry_ca: Option<PathBuf>,
    #[command(flatten)]
    answer: AnswerArgs,
}

impl From<DeployArgs> for DeployRequest {
    fn from(args: DeployArgs) -> Self {
        Self {
            action: args.action.or_else(|| args.image.is_none().then(|| ".".to_owned())),
            name: args.name,
            image: args.image,
            kind: args.kind,
            web: args.web,
            web_secure: args.web_secure,
            limits: Limits {
                timeout: args.timeout,
                memory: args.memory,
                logs: args.logsize,
                concurrency: args.concurrency,
            },
            parameters: Values { file: args.params_file, values: args.params },
            variables: Values { file: args.env_file, values: args.env },
            annotations: args.annotations,
            provide_api_key: args.provide_api_key,
            check_memory: !args.skip_memory_check,
            registry: RegistryArgs { insecure: args.registry_insecure, ca: args.registry_ca },
        }
    }
}

/// Deploys the action.
///
/// # Errors
/// The component or image cannot be deployed, or OpenWhisk rejects the action. With `--json` the
/// error is printed as JSON and not returned.
pub fn run(args: DeployArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let as_json = args.answer.json;
    output::tell(deploy(args, console), as_json, console)
}

fn deploy(args: DeployArgs, console: Console) -> Result<Told, ExpectedError> {
    let settings = args.api.settings()?;
    if settings.in_the_clear() {
        console.note(format_args!("the key goes to {} unencrypted", settings.host()));
    }
    let api = Api::new(settings).map_err(OpenWhiskError::from)?;
    let deployed = runtime::start(Work::One)?.block_on(async {
        let request = DeployRequest::from(args);
        let source = DeploySource::find(&request, console).await?;
        Plan::make(&request, source, &api, console).await?.carry_out(&api).await
    })?;
    Ok(Told::of(deployed))
}

/// Output of the command.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    version: String,
    created: bool,
    kind: Option<String>,
    image: Option<String>,
    reference: Option<String>,
    digest: Option<String>,
    limits: Limits,
    url: Option<String>,
}

impl Told {
    fn of(Deployed { action, created, image, reference, digest, url }: Deployed) -> Self {
        Self {
            name: action.path(),
            kind: action.kind(),
            version: action.version,
            limits: action.limits,
            created,
            image,
            reference,
            digest,
            url,
        }
    }
}

impl CommandOutput for Told {
    fn line(&self) -> String {
        let done = if self.created { "created" } else { "updated" };
        let mut lines = vec![format!("{done} {}", self.name)];
        let limits = Some(limits(self.limits));
        let kind = if self.image.is_none() { &self.kind } else { &None };
        let rows = [
            ("version", &Some(self.version.clone())),
            ("image", &self.image),
            ("kind", kind),
            ("from", &self.reference),
            ("digest", &self.digest),
            ("limits", &limits),
            ("url", &self.url),
        ];
        lines.extend(
            rows.into_iter()
                .filter_map(|(name, value)| Some(format!("  {name:<8} {}", value.as_ref()?))),
        );
        printable(&lines.join("\n")).into_owned()
    }
}

/// Formats limits for a person.
pub fn limits(limits: Limits) -> String {
    let Limits { timeout, memory, logs, concurrency } = limits;
    let time = |ms: u64| units::time(std::time::Duration::from_millis(ms));
    let parts = [
        memory.map(|mb| format!("{mb} MB")),
        timeout.map(time),
        logs.map(|mb| format!("{mb} MB of logs")),
        concurrency.filter(|number| *number > 1).map(|number| format!("{number} at once")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
