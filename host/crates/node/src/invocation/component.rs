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
use keynet_host::{ActivationRequest, Failure, Outcome, Parameters, Receipt};

use super::logs::RecordLogs;
use super::record::{Ended, Finished};
use super::span::{self, Times};
use super::{Admission, Invocation, environment, parameters};
use crate::entities::{milliseconds, now_ms};
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
    node: &Arc<Node>,
    invocation: &Invocation,
    id: String,
    admission: Admission,
    cause: Option<Cause>,
) -> Ended {
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
    let mut cost = Cost::default();
    let (status, result) = match &slot {
        Ok(_) => {
            let recorded = Recorded { cost: &mut cost, times: &mut times, span: begun.as_ref() };
            // In a box, since each wrapper below holds what it wraps twice.
            let running = Box::pin(activate(node, invocation, &id, &logs, recorded));
            // A record is written whatever happens: without one the activation would never end.
            let running = async {
                AssertUnwindSafe(running).catch_unwind().await.unwrap_or_else(|_| {
                    failed(Status::Internal, "the node failed while it ran the activation")
                })
            };
            let running = invocation.namespace.lane.compute(running);
            node.drain.or_cut_off(running).await.unwrap_or_else(|| {
                failed(Status::Internal, "the node was stopped before the activation had ended")
            })
        }
        Err(why) => failed(Status::Internal, why),
    };
    drop(slot);
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

/// What is recorded of an activation while it runs.
struct Recorded<'a> {
    cost: &'a mut Cost,
    times: &'a mut Times,
    span: Option<&'a BegunSpan>,
}

async fn activate(
    node: &Node,
    invocation: &Invocation,
    id: &str,
    logs: &Arc<RecordLogs>,
    recorded: Recorded<'_>,
) -> (Status, String) {
    let Recorded { cost, times, span } = recorded;
    let Invocation { namespace, action, .. } = invocation;
    let begun = Instant::now();
    let loaded = match node.loader.get(namespace, action).await {
        Ok(loaded) => loaded,
        Err(error) => return failed(Status::DeveloperError, &redact(&error.to_string())),
    };
    // A load that took longer than finding it among the loaded ones.
    cost.load = Some(begun.elapsed()).filter(|time| *time >= Duration::from_millis(1));
    times.loaded = cost.load.map(|time| begun + time);
    let merged =
        parameters::merged(&[&invocation.inherited, &action.parameters], &invocation.parameters);
    let deadline = Instant::now() + Duration::from_millis(action.limits.timeout);
    let read = match merged {
        Ok(text) => Parameters::read(Bytes::from(text), Some(deadline)).await,
        Err(error) => Err(keynet_base::Error::invalid(error.to_string())),
    };
    let parameters = match read {
        Ok(parameters) => parameters,
        Err(error) => return failed(Status::ApplicationError, &error.message),
    };
    let request = ActivationRequest {
        parameters,
        environment: environment::of(node, invocation, id),
        deadline: Some(deadline),
        logs: Arc::clone(logs) as _,
        recording: span.map(BegunSpan::recording).unwrap_or_default(),
    };
    let Outcome { result, receipt, timeline, .. } = loaded.run(request).await;
    cost.receipt = Some(receipt);
    times.timeline = timeline;
    match result {
        Ok(result) => {
            let limit = namespace.settings().quotas.result;
            if result.len() as u64 > limit {
                return failed(
                    Status::ApplicationError,
                    &format!(
                        "the action's result has {} bytes, more than the {limit} of this \
                            namespace's quota: put it into storage and return its URL",
                        result.len()
                    ),
                );
            }
            let status = match parameters::member(&result, "error") {
                Some(_) => Status::ApplicationError,
                None => Status::Success,
            };
            (status, result.into())
        }
        Err(failure) => {
            explain(logs, &failure);
            let status = match &failure {
                Failure::Result(_) => Status::DeveloperError,
                Failure::Start(_) => Status::Internal,
                _ => Status::ApplicationError,
            };
            failed(status, &failure.to_string())
        }
    }
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
