//! One activation of a component.

use keynet_openwhisk_api::Status;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use keynet_base::budget::Reservation;
use keynet_base::redaction::redact;
use keynet_host::telemetry::BegunSpan;
use keynet_host::{
    Action as LoadedAction, ActivationRequest, Failure, Outcome, Parameters, Receipt, Recording,
    ResultText, Timeline,
};

use super::logs::RecordLogs;
use super::record::{Ended, Finished};
use super::span::{self, Times};
use super::{Admission, Invocation, environment, parameters};
use crate::entities::{milliseconds, now_ms};
use crate::fairness::make_way;
use crate::node::Node;
use crate::tenants::Namespace;

/// Sequence that an activation is a part of.
pub(super) struct Cause {
    /// Activation id of the sequence.
    pub(super) sequence: String,
}

/// Time and memory of an activation.
#[derive(Default)]
pub(super) struct Cost {
    /// Time to load the action; `None` if it was loaded.
    pub(super) load: Option<Duration>,
    /// The rest; `None` if it did not run.
    pub(super) receipt: Option<Receipt>,
}

/// Runs an activation in its slot, and stores its record.
pub(super) async fn run(
    node: &Node,
    invocation: &Invocation,
    id: String,
    admission: Admission,
    cause: Option<Cause>,
) -> Ended {
    make_way().await;
    let requested = Instant::now();
    let begun = node.begin_span(invocation.caller.as_ref());
    let mut times = Times::requested(requested);
    let slot = match admission {
        Admission::Ready(slot) => Ok(slot),
        Admission::Waiting(waiting) => match node.drain.or_cut_off(waiting).await {
            Some(slot) => slot.map_err(
                |_| "the activation waited too long for others of its namespace: nothing was run",
            ),
            None => Err("the node was stopped while the activation waited: nothing was run"),
        },
    };
    let waited = slot.as_ref().map_or_else(|_| requested.elapsed(), |slot| slot.queued());
    let (started, start) = (Instant::now(), now_ms());
    times.started = started;
    let logs = RecordLogs::new(Arc::clone(&invocation.namespace));
    let ran = match &slot {
        Ok(_) => {
            let activation = Activation {
                node,
                invocation,
                id: &id,
                logs: &logs,
                recording: begun.as_ref().map(BegunSpan::recording).unwrap_or_default(),
            };
            let running = Box::pin(activation.run()); // it is large, and moved several times
            // A record is written whatever happens: without one the activation would never end.
            let running = AssertUnwindSafe(running).catch_unwind();
            match node.drain.or_cut_off(running).await {
                Some(Ok(ran)) => ran,
                Some(Err(_)) => Ran::failed("the node failed while it ran the activation"),
                None => Ran::failed("the node was stopped before the activation had ended"),
            }
        }
        Err(why) => Ran::failed(why),
    };
    drop(slot);
    let Ran { status, result, cost, loaded, timeline } = ran;
    (times.loaded, times.timeline) = (loaded, timeline);
    let (status, result, held) = hold(&invocation.namespace, status, result);
    node.metrics.ended(
        &invocation.namespace.name,
        &invocation.action.name.path(),
        status.label(),
        waited,
        cost.load,
        cost.receipt.as_ref(),
    );
    span::end(node, invocation, &id, begun.as_ref(), (status, &cost, &times));
    let finished = Finished {
        id,
        trace: begun.map(|begun| begun.context.trace),
        start,
        duration: milliseconds(started.elapsed()),
        waited,
        cost,
        status,
        result,
        held,
        cause: cause.map(|cause| cause.sequence),
        logs: logs.take(),
        sequence: false,
    };
    finished.store(node, invocation).await
}

/// Reserves memory for a result: for itself and for its copy in the record. It is released when
/// the caller has read the response.
pub(super) fn hold(
    namespace: &Namespace,
    status: Status,
    result: String,
) -> (Status, String, Option<Reservation>) {
    match namespace.reserve(2 * result.len(), "an activation's result") {
        Ok(held) => (status, result, Some(held)),
        Err(error) => {
            let (status, result) = failed(Status::ApplicationError, &error.message);
            (status, result, None)
        }
    }
}

/// An activation that runs.
struct Activation<'a> {
    node: &'a Node,
    invocation: &'a Invocation,
    id: &'a str,
    logs: &'a Arc<RecordLogs>,
    recording: Recording,
}

/// End of an activation, with what is recorded of it.
struct Ran {
    status: Status,
    /// JSON text.
    result: String,
    cost: Cost,
    /// Time at which its action was loaded; `None` if it was loaded before.
    loaded: Option<Instant>,
    /// What happened in the sandbox, if there is a span.
    timeline: Option<Box<Timeline>>,
}

impl From<(Status, String)> for Ran {
    fn from((status, result): (Status, String)) -> Self {
        Self { status, result, cost: Cost::default(), loaded: None, timeline: None }
    }
}

impl Ran {
    /// Returns the end of an activation that the node failed to run.
    fn failed(why: &str) -> Self {
        failed(Status::Internal, why).into()
    }
}

impl Activation<'_> {
    async fn run(self) -> Ran {
        let Invocation { namespace, action, .. } = self.invocation;
        let begun = Instant::now();
        let loaded = match self.node.loader.get(namespace, action).await {
            Ok(loaded) => loaded,
            Err(error) => {
                return failed(Status::DeveloperError, &redact(&error.to_string())).into();
            }
        };
        // A load that took longer than finding it among the loaded ones.
        let load = Some(begun.elapsed()).filter(|time| *time >= Duration::from_millis(1));
        let ran = self.run_loaded(&loaded).await;
        let cost = Cost { load, ..ran.cost };
        Ran { loaded: load.map(|time| begun + time), cost, ..ran }
    }

    async fn run_loaded(self, loaded: &LoadedAction) -> Ran {
        let Self { node, invocation, id, logs, recording } = self;
        let Invocation { namespace, action, inherited, .. } = invocation;
        let layers = inherited.with(&action.parameters);
        let merged = parameters::merged(&layers, &invocation.parameters);
        let deadline = Instant::now() + Duration::from_millis(action.limits.timeout);
        let read = async {
            let text = merged.map_err(|error| keynet_base::Error::invalid(error.to_string()))?;
            let held = namespace.reserve(text.len(), "an activation's parameters")?;
            let large = namespace.settings().shared.large.clone();
            let parameters = Parameters::read(Bytes::from(text), &large, Some(deadline)).await?;
            Ok::<_, keynet_base::Error>((parameters, held))
        };
        let (parameters, _held) = match read.await {
            Ok(read) => read,
            Err(error) => return failed(Status::ApplicationError, &error.message).into(),
        };
        let request = ActivationRequest {
            parameters,
            environment: environment::of(node, invocation, id),
            deadline: Some(deadline),
            logs: Arc::clone(logs) as _,
            recording,
        };
        let Outcome { result, receipt, timeline, .. } = loaded.run(request).await;
        let (status, result) = answer(namespace, logs, result);
        let cost = Cost { load: None, receipt: Some(receipt) };
        Ran { status, result, cost, loaded: None, timeline }
    }
}

/// Returns the status and the result for the end of an activation.
fn answer(
    namespace: &Namespace,
    logs: &RecordLogs,
    result: Result<ResultText, Failure>,
) -> (Status, String) {
    let result = match result {
        Ok(result) => result,
        Err(failure) => {
            explain(logs, &failure);
            let status = match &failure {
                Failure::Result(_) => Status::DeveloperError,
                Failure::Start(_) => Status::Internal,
                _ => Status::ApplicationError,
            };
            return failed(status, &failure.to_string());
        }
    };
    let limit = namespace.settings().quotas.result;
    if result.len() as u64 > limit {
        let why = format!(
            "the action's result has {} bytes, more than the {limit} of this namespace's quota: \
                put it into storage and return its URL",
            result.len()
        );
        return failed(Status::ApplicationError, &why);
    }
    let status = match parameters::member(&result, "error") {
        Some(_) => Status::ApplicationError,
        None => Status::Success,
    };
    (status, result.into())
}

/// Logs details for the author of the action that the response lacks.
fn explain(logs: &RecordLogs, failure: &Failure) {
    if matches!(failure, Failure::Action(_)) {
        return; // the response already has the action's message
    }
    logs.note(&redact(&format!("keynet: {failure}")));
    for function in failure.trace() {
        logs.note(&format!("keynet:   in {function}"));
    }
}

pub(super) fn failed(status: Status, message: &str) -> (Status, String) {
    (status, serde_json::json!({ "error": message }).to_string())
}
