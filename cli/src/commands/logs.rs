//! `logs`: shows the logs of activations of OpenWhisk actions.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::errors::ExpectedError;
use crate::openwhisk::args::ApiArgs;
use crate::openwhisk::error::OpenWhiskError;
use crate::openwhisk::time;
use crate::runtime::{self, Work};
use crate::ui::console::{Console, printable};
use crate::ui::output::{self, CommandOutput};
use keynet_openwhisk_api::activation::{self, Activation};
use keynet_openwhisk_api::client::{Api, ApiError};
use keynet_openwhisk_api::name::ActionName;

/// Pause between two requests with `--follow`.
const PAUSE: Duration = Duration::from_secs(1);
/// Time that `--follow` looks back with each request: OpenWhisk stores a record a moment after its
/// activation has ended.
const LOOK_BACK_MS: u64 = 60_000;
/// Annotation of a record with its receipt.
const RECEIPT: &str = "keynet-receipt";

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// An activation's id, or an action's name for its last activation
    #[arg(value_name = "ACTIVATION|NAME", required_unless_present_any = ["last", "follow"])]
    what: Option<String>,
    /// The last activation of the namespace
    #[arg(long, conflicts_with = "what")]
    last: bool,
    /// Continue with new activations, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Leave out the time and the stream before each line
    #[arg(long)]
    strip: bool,
    /// Also print where the time and the memory of the activation went, which a node records
    #[arg(long)]
    receipt: bool,
    #[command(flatten)]
    api: ApiArgs,
    /// Print one JSON object; with --follow one for each activation
    #[arg(long)]
    json: bool,
}

/// Activations that the user asked for.
enum What {
    Activation(String),
    Action(ActionName),
    Anything,
}

/// Prints the logs.
///
/// # Errors
/// There is no such activation. With `--json` the error is printed as JSON and not returned.
pub fn run(args: &LogsArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let found = (|| {
        let what = match args.what.as_deref() {
            None => What::Anything,
            Some(id) if activation::is_id(id) => What::Activation(id.to_owned()),
            Some(name) => What::Action(name.parse().map_err(OpenWhiskError::Usage)?),
        };
        if args.follow && matches!(what, What::Activation(_)) {
            return Err(OpenWhiskError::Usage(
                "an activation has one end: --follow goes with an action's name, or alone"
                    .to_owned(),
            )
            .into());
        }
        let api = args.api.client()?;
        let runtime = runtime::start(Work::One)?;
        if args.follow {
            return runtime.block_on(follow(&api, &what, args, console)).map(|()| None);
        }
        runtime.block_on(find(&api, &what)).map(Some)
    })();
    match found {
        Ok(None) => Ok(ExitCode::SUCCESS),
        Ok(Some(record)) => output::tell(Ok(Logged::of(record, args)), args.json, console),
        Err(error) => output::tell::<Logged>(Err(error), args.json, console),
    }
}

/// Logs of an activation.
#[derive(Debug, Serialize)]
struct Logged {
    activation: String,
    name: String,
    status: Option<String>,
    start: String,
    duration_ms: Option<u64>,
    logs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<Box<RawValue>>,
}

impl Logged {
    fn of(record: Activation, args: &LogsArgs) -> Self {
        let line =
            |line: String| if args.strip { activation::strip(&line).to_owned() } else { line };
        let receipt = record.annotations.into_iter().find(|annotation| annotation.key == RECEIPT);
        Self {
            activation: record.activation_id,
            name: record.name,
            status: record.response.map(|response| response.status),
            start: time::rfc3339(record.start),
            duration_ms: record.duration,
            logs: record.logs.into_iter().map(line).collect(),
            receipt: receipt.filter(|_| args.receipt).map(|annotation| annotation.value),
        }
    }
}

impl CommandOutput for Logged {
    fn line(&self) -> String {
        let mut lines: Vec<_> = self.logs.iter().map(|line| printable(line)).collect();
        lines.extend(self.receipt.iter().map(|receipt| printable(receipt.get())));
        lines.join("\n")
    }
}

async fn find(api: &Api, what: &What) -> Result<Activation, ExpectedError> {
    let action = match what {
        What::Activation(id) => {
            return Ok(api.activation(id).await.map_err(OpenWhiskError::Api)?);
        }
        What::Action(name) => Some(name),
        What::Anything => None,
    };
    let latest = api.activations(action, None, 1).await.map_err(OpenWhiskError::Api)?;
    let whose =
        action.map_or_else(|| "activation".to_owned(), |name| format!("activation of {name}"));
    Ok(latest.into_iter().next().ok_or_else(|| OpenWhiskError::Api(ApiError::NotFound(whose)))?)
}

async fn follow(
    api: &Api,
    what: &What,
    args: &LogsArgs,
    console: Console,
) -> Result<(), ExpectedError> {
    let action = if let What::Action(name) = what { Some(name) } else { None };
    let began = time::now();
    let mut seen = BTreeSet::new();
    let stopped = runtime::asked_to_stop();
    tokio::pin!(stopped);
    loop {
        let since = began.max(time::now().saturating_sub(LOOK_BACK_MS));
        match api.activations(action, Some(since), 200).await {
            Ok(mut records) => {
                records.reverse();
                for record in
                    records.into_iter().filter(|record| seen.insert(record.activation_id.clone()))
                {
                    output::tell(Ok(Logged::of(record, args)), args.json, console)?;
                }
            }
            Err(error) if error.passes() => {
                console.note(format_args!("{error}; it is tried again"))
            }
            Err(error) => return Err(OpenWhiskError::Api(error).into()),
        }
        tokio::select! {
            () = &mut stopped => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}
