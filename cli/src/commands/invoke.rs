//! `invoke`: runs an OpenWhisk action and prints its result.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::errors::ExpectedError;
use crate::input::parameters::{Draft, Param};
use crate::openwhisk::args::ApiArgs;
use crate::openwhisk::error::OpenWhiskError;
use crate::runtime::{self, Work};
use crate::ui::console::{Console, printable};
use crate::ui::output;
use keynet_base::config::parse_duration;
use keynet_openwhisk_api::activation::Activation;
use keynet_openwhisk_api::annotations;
use keynet_openwhisk_api::client::{Api, ApiError, Invocation};
use keynet_openwhisk_api::name::ActionName;

/// First pause between two requests for the record of a running activation.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The action: name, package/name or /namespace/package/name
    #[arg(value_name = "NAME")]
    name: ActionName,
    /// Set a parameter: to JSON if VALUE can be parsed as JSON, otherwise to text; overrides
    /// --params-file
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    params: Vec<Param>,
    /// Read the parameters from a file with a JSON object; - is standard input
    #[arg(short = 'P', long, visible_alias = "param-file", value_name = "FILE")]
    params_file: Option<PathBuf>,
    /// Print only the result, which is the default
    #[arg(short, long)]
    result: bool,
    /// Print the whole record of the activation, as `wsk` does
    #[arg(short, long, conflicts_with = "result")]
    blocking: bool,
    /// Do not wait for the end; print the activation's id
    #[arg(long, conflicts_with_all = ["result", "blocking", "logs"])]
    no_wait: bool,
    /// Also print the logs, on standard error
    #[arg(long)]
    logs: bool,
    /// Time to wait for the end
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "6m")]
    wait: Duration,
    /// Print the URL of the web action; run nothing
    #[arg(long, conflicts_with_all = ["params", "params_file", "result", "blocking", "no_wait", "logs"])]
    url: bool,
    #[command(flatten)]
    api: ApiArgs,
    /// Print one JSON object: the result or the error, and the activation
    #[arg(long)]
    json: bool,
}

/// An activation that has ended, or that could not be started.
struct Ended {
    id: Option<String>,
    /// `None` if OpenWhisk returned only an array.
    record: Option<Activation>,
    result: Result<String, ExpectedError>,
}

/// Members of the `--json` output besides the result.
#[derive(Serialize)]
struct Members<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init_ms: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    logs: &'a [String],
}

/// Runs the action.
///
/// # Errors
/// The action was not run, or ended with an error. With `--json` the error is printed as JSON and
/// not returned.
pub fn run(args: InvokeArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let json = args.json;
    let Ended { id, record, result } = match invoke(args, console) {
        Ok(Some(ended)) => ended,
        Ok(None) => return Ok(ExitCode::SUCCESS),
        Err(error) => Ended { id: None, record: None, result: Err(error) },
    };
    output::tell_result(result, Members::new(id.as_deref(), record.as_ref()), json, console)
}

/// Runs the action; returns `None` if there is nothing more to print.
fn invoke(args: InvokeArgs, console: Console) -> Result<Option<Ended>, ExpectedError> {
    let api = args.api.client()?;
    let parameters = Draft::read(args.params_file.as_deref(), &args.params)?.into_text();
    let runtime = runtime::start(Work::One)?;
    if args.url {
        return runtime.block_on(print_url(&api, &args, console)).map(|()| None);
    }
    let began = Instant::now();
    let invoked = runtime
        .block_on(api.invoke(&args.name, &parameters, !args.no_wait))
        .map_err(OpenWhiskError::Api)?;
    let mut record = match invoked {
        Invocation::Array { id, result } => {
            return Ok(Some(Ended { id, record: None, result: Ok(result) }));
        }
        Invocation::Ended(record) => *record,
        Invocation::Goes(id) if args.no_wait => {
            let line = if args.json {
                serde_json::json!({ "activation": id }).to_string()
            } else {
                printable(&id).into_owned()
            };
            console.print_json(&format!("{line}\n"))?;
            return Ok(None);
        }
        Invocation::Goes(id) => {
            console.note(format_args!("the activation {id} goes on; its record is waited for"));
            runtime.block_on(end_of(&api, &id, began, args.wait))?
        }
    };
    if args.logs {
        if record.logs.is_empty() {
            // OpenWhisk responds to a blocking invocation before it has collected the logs.
            record.logs =
                runtime.block_on(logs_of(&api, &record.activation_id)).unwrap_or_default();
        }
        record.logs.iter().for_each(|line| console.say(&format!("{}\n", printable(line))));
    }
    let id = record.activation_id.clone();
    let result = result_of(&record, args.blocking);
    Ok(Some(Ended { id: Some(id), record: Some(record), result }))
}

async fn print_url(api: &Api, args: &InvokeArgs, console: Console) -> Result<(), ExpectedError> {
    let action = api.action(&args.name).await.map_err(OpenWhiskError::Api)?;
    if !annotations::is_web(&action) {
        return Err(OpenWhiskError::Deploy(format!(
            "{} is no web action: `keynet-inference deploy … --web true` makes it one",
            args.name
        ))
        .into());
    }
    let url = api.web_url(&action).to_string();
    console.print(&if args.json {
        format!("{}\n", serde_json::json!({ "url": url }))
    } else {
        format!("{url}\n")
    })
}

/// Waits for the record of an activation, which OpenWhisk stores when the activation has ended.
async fn end_of(
    api: &Api,
    id: &str,
    began: Instant,
    time: Duration,
) -> Result<Activation, ExpectedError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match api.activation(id).await {
            Ok(record) => return Ok(record),
            Err(error) if !matches!(error, ApiError::NotFound(_)) && !error.passes() => {
                return Err(OpenWhiskError::Api(error).into());
            }
            Err(_) if began.elapsed() >= time => {
                return Err(OpenWhiskError::Unfinished { id: id.to_owned(), time }.into());
            }
            Err(_) => tokio::time::sleep(pause.min(time.saturating_sub(began.elapsed()))).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Returns the logs of an activation that has ended. OpenWhisk stores them a moment later.
async fn logs_of(api: &Api, id: &str) -> Option<Vec<String>> {
    for _ in 0..8 {
        match api.activation(id).await {
            Ok(record) => return Some(record.logs),
            Err(_) => tokio::time::sleep(FIRST_PAUSE).await,
        }
    }
    None
}

fn result_of(record: &Activation, whole: bool) -> Result<String, ExpectedError> {
    let Some(response) = &record.response else { return Ok("{}".to_owned()) };
    if !response.success {
        let failed = OpenWhiskError::Activation {
            id: record.activation_id.clone(),
            status: response.status.clone(),
            message: response.error(),
        };
        return Err(failed.into());
    }
    if whole {
        return Ok(serde_json::to_string(record).unwrap_or_default());
    }
    Ok(response.result.as_ref().map_or_else(|| "{}".to_owned(), |result| result.get().to_owned()))
}

impl<'a> Members<'a> {
    fn new(id: Option<&'a str>, record: Option<&'a Activation>) -> Self {
        let number = |name: &str| {
            let annotation =
                record?.annotations.iter().find(|annotation| annotation.key == name)?;
            serde_json::from_str(annotation.value.get()).ok()
        };
        Self {
            activation: id,
            status: record
                .and_then(|record| record.response.as_ref())
                .map(|response| response.status.as_str()),
            duration_ms: record.and_then(|record| record.duration),
            wait_ms: number("waitTime"),
            init_ms: number("initTime"),
            logs: record.map_or(&[], |record| &record.logs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(response: &str) -> Activation {
        let json = format!(
            r#"{{"activationId":"0123456789abcdef0123456789abcdef","name":"a","namespace":"guest","version":"0.0.1","start":1,"end":8,"duration":7,
                 "response":{response},"logs":["l"],"annotations":[{{"key":"waitTime","value":3}},{{"key":"initTime","value":2}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn ended(response: &str) -> Ended {
        let record = record(response);
        let result = result_of(&record, false);
        Ended { id: Some(record.activation_id.clone()), record: Some(record), result }
    }

    #[test]
    fn a_result_keeps_its_digits() {
        let ended = ended(r#"{"status":"success","success":true,"result":{"n": 1.50}}"#);
        assert_eq!(ended.result.unwrap(), r#"{"n": 1.50}"#);
        assert_eq!(
            serde_json::to_string(&Members::new(ended.id.as_deref(), ended.record.as_ref()))
                .unwrap(),
            r#"{"activation":"0123456789abcdef0123456789abcdef","status":"success","duration_ms":7,"wait_ms":3,"init_ms":2,"logs":["l"]}"#
        );
        let whole =
            result_of(&record(r#"{"status":"success","success":true,"result":{"n":1.50}}"#), true)
                .unwrap();
        assert!(
            whole.contains(r#""response":{"status":"success","success":true,"result":{"n":1.50}}"#),
            "{whole}"
        );
    }

    #[test]
    fn errors_of_the_action_and_of_the_runtime_are_told_apart() {
        let error =
            ended(r#"{"status":"application error","success":false,"result":{"error":"no name"}}"#)
                .result
                .unwrap_err();
        assert_eq!(
            (error.one_line().as_str(), error.kind()),
            ("the action answered with an error: no name", "application-error")
        );
        let error = ended(r#"{"status":"action developer error","success":false,"result":{"error":"out of memory"}}"#).result.unwrap_err();
        assert_eq!(
            (error.one_line().as_str(), error.kind()),
            ("the action failed: out of memory", "developer-error")
        );
    }
}
