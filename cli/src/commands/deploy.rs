//! `deploy`: makes or changes an OpenWhisk action that runs a component.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::args::AnswerArgs;
use crate::console::{Console, printable};
use crate::deploy::{Deployed, Plan, Source};
use crate::errors::ExpectedError;
use crate::openwhisk::annotations::{Web, WebSecure};
use crate::openwhisk::body::Limits;
use crate::openwhisk::client::Api;
use crate::openwhisk::name::ActionName;
use crate::openwhisk::quantity::{parse_megabytes, parse_milliseconds};
use crate::openwhisk::settings::{ApiArgs, ApiSettings};
use crate::parameters::Param;
use crate::runtime::{self, Work};
use crate::units;

/// What to deploy, as what.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The component: a file, the file of a function, which is built, or the reference of
    /// a published one; with --image alone, the image holds the action
    #[arg(value_name = "ACTION.wasm|FUNCTION|REF", required_unless_present = "image")]
    pub action: Option<String>,
    /// The OpenWhisk action: name, package/name or /namespace/package/name [default: the function's
    /// name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<ActionName>,
    /// Run it in this image, as a blackbox [also: KEYNET_RUNTIME_IMAGE; default: the kind
    /// wasm:component, where it is installed]
    #[arg(long, value_name = "IMAGE", conflicts_with = "kind")]
    pub image: Option<String>,
    /// Run it as this kind of the platform's manifest
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Answer at a URL, without a key: true or yes, raw (the request as it is), false or no
    #[arg(long, value_name = "HOW")]
    pub web: Option<Web>,
    /// What callers of a web action must show: true (a number is made), false, or a secret of your
    /// own
    #[arg(long, value_name = "SECRET")]
    pub web_secure: Option<WebSecure>,
    /// Memory of the container, such as 512 or 512MiB (OpenWhisk counts in MB) [default: as it is,
    /// or 256, or what compiling needs]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_megabytes)]
    pub memory: Option<u64>,
    /// How long a run may take, such as 60s; a bare number is milliseconds, as with wsk [default:
    /// as it is, or 60s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_milliseconds)]
    pub timeout: Option<u64>,
    /// How much a run may log, such as 10 or 10MiB [default: as it is, or 10]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_megabytes)]
    pub logsize: Option<u64>,
    /// How many runs one container takes at once [default: as it is, or 1]
    #[arg(short, long, value_name = "NUMBER")]
    pub concurrency: Option<u64>,
    /// A default parameter: JSON where VALUE can be read as JSON, otherwise text; parameters
    /// replace all that the action had
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<Param>,
    /// Take default parameters from a file with a JSON object; - is standard input
    #[arg(short = 'P', long, visible_alias = "param-file", value_name = "FILE")]
    pub params_file: Option<PathBuf>,
    /// A variable of the container, such as TRITON_URL, given at /init and to no caller; counts as
    /// a default parameter
    #[arg(short, long = "env", value_name = "KEY=VALUE")]
    pub env: Vec<Param>,
    /// Take such variables from a file with a JSON object: out of sight of others on this machine
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// An annotation: JSON where VALUE can be read as JSON, otherwise text
    #[arg(short, long = "annotation", value_name = "KEY=VALUE")]
    pub annotations: Vec<Param>,
    /// Give the container the caller's key, which an action that asks for it may see
    #[arg(long)]
    pub provide_api_key: bool,
    /// Do not compile the component here to see whether the action's memory is enough for it
    #[arg(long)]
    pub skip_memory_check: bool,
    #[command(flatten)]
    pub api: ApiArgs,
    /// Speak plain HTTP with the registry of REF; without it only on this machine [also:
    /// KEYNET_REGISTRY_INSECURE, a list of hosts]
    #[arg(long, help_heading = "Registry")]
    pub registry_insecure: bool,
    /// Trust the certificate authorities in this PEM file when REF is read [also:
    /// KEYNET_REGISTRY_CA]
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    pub registry_ca: Option<PathBuf>,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

impl DeployArgs {
    /// The limits that were named.
    pub fn limits(&self) -> Limits {
        Limits {
            timeout: self.timeout,
            memory: self.memory,
            logs: self.logsize,
            concurrency: self.concurrency,
        }
    }
}

/// Deploys it.
///
/// # Errors
/// What is to be deployed cannot be, or OpenWhisk does not take it. With `--json` it is told as
/// JSON and is no error here.
pub fn run(args: &DeployArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    answer::tell(deploy(args, console), args.answer.json, console)
}

fn deploy(args: &DeployArgs, console: Console) -> Result<Told, ExpectedError> {
    let settings = ApiSettings::read(&args.api)?;
    if settings.in_the_clear() {
        console.note(format_args!("the key goes to {} unencrypted", settings.host()));
    }
    let api = Api::new(settings)?;
    let deployed = runtime::start(Work::One)?.block_on(async {
        let source = Source::find(args, console).await?;
        Plan::make(args, source, &api, console).await?.carry_out(&api).await
    })?;
    Ok(Told::of(deployed))
}

/// What was deployed.
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

impl Answer for Told {
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

/// Limits as people read them.
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
