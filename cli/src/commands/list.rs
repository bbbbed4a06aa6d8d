//! `list`: the OpenWhisk actions of a namespace.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::deploy::limits;
use crate::errors::ExpectedError;
use crate::flags::AnswerArgs;
use crate::openwhisk::args::ApiArgs;
use crate::openwhisk::error::OpenWhiskError;
use crate::openwhisk::time::{ago, rfc3339};
use crate::runtime::{self, Work};
use crate::ui::columns::aligned;
use crate::ui::console::Console;
use crate::ui::output::{self, CommandOutput};
use keynet_openwhisk_api::action::{Limits, StoredAction};
use keynet_openwhisk_api::annotations::{self, DIGEST, REFERENCE};

#[derive(Debug, Args)]
pub struct ListArgs {
    /// The namespace [default: that of --namespace, or the key's own]
    #[arg(value_name = "NAMESPACE")]
    whose: Option<String>,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// The actions, the most recently changed first.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Listed(Vec<Row>);

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    version: String,
    kind: Option<String>,
    reference: Option<String>,
    digest: Option<String>,
    limits: Limits,
    updated: Option<String>,
    url: Option<String>,
    #[serde(skip)]
    age: String,
}

/// Lists the actions.
///
/// # Errors
/// The key may not list them. With `--json` the error is printed as JSON and not returned.
pub fn run(args: &ListArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let listed = list(args);
    if !args.answer.json && listed.as_ref().is_ok_and(|listed| listed.0.is_empty()) {
        console.note("there are no actions");
    }
    output::tell(listed, args.answer.json, console)
}

fn list(args: &ListArgs) -> Result<Listed, ExpectedError> {
    let api = args.api.client()?;
    let namespace = args.whose.as_deref().map_or(api.namespace(), |name| name.trim_matches('/'));
    let mut actions =
        runtime::start(Work::One)?.block_on(api.actions(namespace)).map_err(OpenWhiskError::Api)?;
    actions.sort_by_key(|action| std::cmp::Reverse(action.updated));
    let url = |action: &StoredAction| {
        annotations::is_web(action).then(|| api.web_url(action).to_string())
    };
    Ok(Listed(actions.iter().map(|action| Row::of(action, url(action))).collect()))
}

impl Row {
    fn of(action: &StoredAction, url: Option<String>) -> Self {
        Self {
            name: action.path(),
            version: action.version.clone(),
            kind: action.kind(),
            reference: action.annotation(REFERENCE),
            digest: action.annotation(DIGEST),
            limits: action.limits,
            updated: action.updated.map(rfc3339),
            url,
            age: action.updated.map(ago).unwrap_or_default(),
        }
    }

    /// Returns name, kind, limits, age, and the component and URL of the action.
    fn cells(&self) -> [String; 5] {
        let what = self.reference.as_deref().or(self.digest.as_deref()).map(short);
        let what = what.into_iter().chain(self.url.clone()).collect::<Vec<_>>().join("  ");
        [
            self.name.clone(),
            self.kind.clone().unwrap_or_default(),
            limits(self.limits),
            self.age.clone(),
            what,
        ]
    }
}

impl CommandOutput for Listed {
    fn line(&self) -> String {
        aligned(&self.0.iter().map(Row::cells).collect::<Vec<_>>())
    }
}

/// Returns a reference or digest with its digest cut to 12 digits.
fn short(text: &str) -> String {
    match text.split_once("sha256:") {
        Some((before, digest)) => format!("{before}sha256:{}", digest.get(..12).unwrap_or(digest)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(json: &Value) -> Row {
        Row::of(&serde_json::from_str(&json.to_string()).unwrap(), None)
    }

    #[test]
    fn columns_stand_below_each_other() {
        let limits = json!({ "timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1 });
        let digest = format!("sha256:{}", "a".repeat(64));
        let annotations = json!([{ "key": "exec", "value": "blackbox" }, { "key": "keynet-digest", "value": digest }]);
        let other = json!([{ "key": "exec", "value": "nodejs:20" }]);
        let listed = Listed(vec![
            row(
                &json!({ "namespace": "guest", "name": "a", "annotations": annotations, "limits": limits }),
            ),
            row(
                &json!({ "namespace": "guest/pkg", "name": "long-name", "annotations": other, "limits": limits }),
            ),
        ]);
        assert_eq!(
            listed.line(),
            "/guest/a              blackbox   256 MB, 60 s, 10 MB of logs    sha256:aaaaaaaaaaaa\n\
             /guest/pkg/long-name  nodejs:20  256 MB, 60 s, 10 MB of logs"
        );
        assert_eq!(serde_json::to_value(&listed).unwrap()[0]["digest"], digest);
    }
}
