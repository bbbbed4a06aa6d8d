//! `model list`, `get`, `status`.

use std::process::ExitCode;
use std::time::Duration;

use keynet_models::inference::triton::{ModelStatistics, Spent};
use keynet_models::inference::{IndexedModel, TensorInfo};
use keynet_models::model_deployment::{Deployment, ModelStatus};
use serde::Serialize;

use super::{NamedArgs, StatusArgs};
use crate::errors::ExpectedError;
use crate::model::{ServerArgs, with};
use crate::ui::columns::aligned;
use crate::ui::console::{Console, printable};
use crate::ui::output::{self, CommandOutput};
use crate::ui::units;

/// Output for a model of the server.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub name: String,
    /// `true` if the model accepts inference requests.
    pub ready: bool,
    versions: Vec<Version>,
    /// URI that the model was deployed from; `None` if this program did not deploy it.
    pub source: Option<String>,
    flavor: Option<String>,
    path: Option<String>,
    platform: Option<String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

/// A version in the server's index.
#[derive(Debug, Serialize)]
struct Version {
    version: Option<u64>,
    state: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
}

/// An input or output.
#[derive(Debug, Serialize)]
struct Port {
    name: String,
    datatype: &'static str,
    shape: Vec<i64>,
}

impl From<IndexedModel> for Version {
    fn from(given: IndexedModel) -> Self {
        Self { version: given.version, state: given.state, reason: given.reason }
    }
}

impl From<TensorInfo> for Port {
    fn from(given: TensorInfo) -> Self {
        Self { name: given.name, datatype: given.data_type.name(), shape: given.shape }
    }
}

impl Port {
    fn text(&self) -> String {
        let shape: Vec<_> = self.shape.iter().map(i64::to_string).collect();
        format!("{} {} [{}]", self.name, self.datatype, shape.join(","))
    }
}

impl From<Deployment> for Shown {
    fn from(given: Deployment) -> Self {
        let ready = given.is_ready();
        let (source, flavor, path) = match given.record {
            Some(record) => {
                (Some(record.mlflow_model_uri), Some(record.flavor), Some(record.triton_model_path))
            }
            None => (None, None, None),
        };
        let (platform, inputs, outputs) = match given.metadata {
            Some(model) => (
                Some(model.platform).filter(|platform| !platform.is_empty()),
                model.inputs,
                model.outputs,
            ),
            None => (None, Vec::new(), Vec::new()),
        };
        let ports = |infos: Vec<TensorInfo>| infos.into_iter().map(Port::from).collect();
        let versions = given.versions.into_iter().map(Version::from).collect();
        Self {
            name: given.name,
            ready,
            versions,
            source,
            flavor,
            path,
            platform,
            inputs: ports(inputs),
            outputs: ports(outputs),
        }
    }
}

impl Shown {
    /// Returns a label such as `detector:3`, with the versions that are ready.
    pub fn label(&self) -> String {
        let versions = self.ready_versions();
        if versions.is_empty() { self.name.clone() } else { format!("{}:{versions}", self.name) }
    }

    fn ready_versions(&self) -> String {
        let ready =
            self.versions.iter().filter(|version| version.state.as_deref() == Some("READY"));
        ready
            .filter_map(|version| version.version)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// Prints the name, then each fact in a line of its own.
impl CommandOutput for Shown {
    fn line(&self) -> String {
        let mut facts =
            vec![[self.name.clone(), if self.ready { "ready" } else { "not ready" }.to_owned()]];
        let mut fact = |what: &str, text: Option<String>| {
            facts.extend(text.map(|text| [format!("  {what}"), text]))
        };
        for version in &self.versions {
            let reason = if version.reason.is_empty() {
                String::new()
            } else {
                format!(": {}", version.reason)
            };
            let state = version.state.as_deref().unwrap_or("not loaded").to_lowercase();
            fact("version", version.version.map(|number| format!("{number} {state}{reason}")));
        }
        fact("source", self.source.clone());
        fact("flavor", self.flavor.clone());
        fact("path", self.path.clone());
        fact("platform", self.platform.clone());
        for port in &self.inputs {
            fact("input", Some(port.text()));
        }
        for port in &self.outputs {
            fact("output", Some(port.text()));
        }
        aligned(&facts)
    }
}

/// Deployed models.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Listed(Vec<Shown>);

impl CommandOutput for Listed {
    fn line(&self) -> String {
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        aligned(
            &self
                .0
                .iter()
                .map(|model| {
                    [
                        model.name.clone(),
                        model.ready_versions(),
                        text(&model.flavor),
                        text(&model.source),
                    ]
                })
                .collect::<Vec<_>>(),
        )
    }
}

/// The states of models.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct States(Vec<State>);

#[derive(Debug, Serialize)]
struct State {
    name: String,
    #[serde(flatten)]
    version: Version,
    statistics: Option<Statistics>,
}

/// Statistics since the server started.
#[derive(Debug, Serialize)]
struct Statistics {
    inferences: u64,
    executions: u64,
    success: u64,
    failure: u64,
    /// Mean over the successful requests, as are the following two.
    request_us: u64,
    queue_us: u64,
    compute_us: u64,
}

impl From<ModelStatus> for State {
    fn from(given: ModelStatus) -> Self {
        Self {
            name: given.model.name.clone(),
            statistics: given.statistics.as_ref().map(Statistics::of),
            version: given.model.into(),
        }
    }
}

impl Statistics {
    fn of(given: &ModelStatistics) -> Self {
        let mean = |spent: Spent| {
            u64::try_from(spent.time.as_micros() / u128::from(spent.times.max(1)))
                .unwrap_or(u64::MAX)
        };
        Self {
            inferences: given.inferences,
            executions: given.executions,
            success: given.success.times,
            failure: given.failure.times,
            request_us: mean(given.success),
            queue_us: mean(given.queue),
            compute_us: mean(given.compute),
        }
    }

    fn text(&self) -> String {
        let time = |us: u64| units::time(Duration::from_micros(us));
        match (self.success, self.failure) {
            (0, 0) => "not asked yet".to_owned(),
            (success, failure) => format!(
                "{success} answered in {} (queue {}, compute {}), {failure} failed, {} inferences \
                    in {} runs",
                time(self.request_us),
                time(self.queue_us),
                time(self.compute_us),
                self.inferences,
                self.executions
            ),
        }
    }
}

impl CommandOutput for States {
    fn line(&self) -> String {
        let cells = |state: &State| {
            let remark = match (&state.statistics, state.version.reason.as_str()) {
                (Some(statistics), "") => statistics.text(),
                (_, reason) => printable(reason).into_owned(),
            };
            let version =
                state.version.version.map(|number| number.to_string()).unwrap_or_default();
            [
                state.name.clone(),
                version,
                state.version.state.as_deref().unwrap_or("not loaded").to_lowercase(),
                remark,
            ]
        };
        aligned(&self.0.iter().map(cells).collect::<Vec<_>>())
    }
}

/// Lists the deployed models.
///
/// # Errors
/// The server or the repository cannot be reached.
pub fn list(args: &ServerArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let listed = with(args, None, console, async |models, terms| models.list(terms).await);
    if !args.answer.json && listed.as_ref().is_ok_and(Vec::is_empty) {
        console.note(
            "no deployed model can be asked; `keynet-inference model status` shows all models of \
                the server",
        );
    }
    output::tell(
        listed.map(|models| Listed(models.into_iter().map(Shown::from).collect())),
        args.answer.json,
        console,
    )
}

/// Shows a model.
///
/// # Errors
/// There is no model of this name.
pub fn get(args: &NamedArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let found = with(&args.server, None, console, async |models, terms| {
        models.get(&args.name, terms).await
    });
    output::tell(found.map(Shown::from), args.server.answer.json, console)
}

/// Shows the states of models.
///
/// # Errors
/// There is no model of this name, or the server cannot be reached.
pub fn status(args: &StatusArgs, console: Console) -> Result<ExitCode, ExpectedError> {
    let states = with(&args.server, None, console, async |models, terms| {
        models.status(args.name.as_deref(), terms).await
    });
    if !args.server.answer.json && states.as_ref().is_ok_and(Vec::is_empty) {
        console.note("the server has no models");
    }
    output::tell(
        states.map(|states| States(states.into_iter().map(State::from).collect())),
        args.server.answer.json,
        console,
    )
}
