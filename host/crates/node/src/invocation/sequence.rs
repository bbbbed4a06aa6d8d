//! Sequences: actions that run one after another, each with the result of the one before.

use keynet_openwhisk_api::Status;
use std::sync::Arc;
use std::time::Instant;

use keynet_base::trace_context::TraceContext;

use super::component::{Cause, Cost, failed};
use super::parameters::without;
use super::record::{Ended, Finished};
use super::span::{self, Times};
use super::{Invocation, admit, component, new_id};
use crate::entities::{EntityName, Exec, milliseconds, now_ms};
use crate::node::Node;
use crate::resolution::{self, Found};

/// Largest number of activations of a sequence, with those of the sequences in it.
const MAX_ACTIVATIONS: usize = 50;

/// Runs a sequence, and stores its record.
pub(super) async fn run(node: &Node, invocation: &Invocation, id: String) -> Ended {
    let (started, start) = (Instant::now(), now_ms());
    let begun = node.begin_span(invocation.caller.as_ref());
    let (mut logs, mut left) = (Vec::new(), MAX_ACTIVATIONS);
    let own = begun.as_ref().map(|begun| &begun.context);
    let mut progress = Progress { id: &id, span: own, logs: &mut logs, left: &mut left };
    let (status, result) = steps(node, invocation, &mut progress).await;
    let (status, result, held) = component::hold(&invocation.namespace, status, result);
    let (cost, times) = (Cost::default(), Times::requested(started));
    span::end(node, invocation, &id, begun.as_ref(), (status, &cost, &times));
    let finished = Finished {
        id,
        trace: begun.map(|begun| begun.context.trace),
        start,
        duration: milliseconds(started.elapsed()),
        waited: std::time::Duration::ZERO,
        cost,
        status,
        result,
        held,
        cause: None,
        logs: serde_json::to_string(&logs).ok(),
        sequence: true,
    };
    finished.store(node, invocation).await
}

/// A sequence while it runs, with the sequences in it.
struct Progress<'a> {
    /// Activation id.
    id: &'a str,
    /// Span that its activations are in.
    span: Option<&'a TraceContext>,
    /// Ids of its activations.
    logs: &'a mut Vec<String>,
    /// Number of activations that may follow.
    left: &'a mut usize,
}

/// Runs the actions of a sequence and of the sequences in it.
async fn steps(
    node: &Node,
    invocation: &Invocation,
    progress: &mut Progress<'_>,
) -> (Status, String) {
    let Exec::Sequence { components, .. } = &invocation.action.exec else {
        return failed(Status::Internal, "the action is no sequence");
    };
    let layers = invocation.inherited.with(&invocation.action.parameters);
    let merged = super::parameters::merged(&layers, &invocation.parameters);
    let mut current = match merged {
        Ok(text) => (Status::Success, text),
        Err(error) => return failed(Status::ApplicationError, &error.to_string()),
    };
    for name in components {
        let Some(Found { action, inherited }) = find(node, invocation, name) else {
            let message = format!("Sequence component does not exist: {name}");
            return failed(Status::ApplicationError, &message);
        };
        if *progress.left == 0 {
            return failed(Status::ApplicationError, "Too many actions in the sequence.");
        }
        *progress.left -= 1;
        let parameters = if action.annotations.is("final", false) {
            without(&current.1, &inherited.with(&action.parameters))
        } else {
            current.1
        };
        let held = invocation.namespace.reserve(parameters.len(), "an activation's parameters");
        let held = match held {
            Ok(held) => held,
            Err(error) => return failed(Status::ApplicationError, &error.message),
        };
        let step = Invocation {
            _held: held,
            namespace: Arc::clone(&invocation.namespace),
            action,
            inherited,
            parameters,
            transaction: invocation.transaction.clone(),
            caller: progress.span.cloned(),
        };
        current = if matches!(step.action.exec, Exec::Sequence { .. }) {
            Box::pin(steps(node, &step, progress)).await
        } else {
            let ended = match admit(&step.namespace).await {
                Ok(admission) => {
                    let own = new_id();
                    progress.logs.push(own.clone());
                    let cause = Some(Cause { sequence: progress.id.to_owned() });
                    component::run(node, &step, own, admission, cause).await
                }
                Err(refused) => return failed(Status::ApplicationError, &refused.to_string()),
            };
            (ended.status, ended.record.result)
        };
        if current.0 != Status::Success {
            return current;
        }
        if !current.1.trim_ascii_start().starts_with('{') {
            return failed(
                Status::ApplicationError,
                "an action of the sequence returned an array, which cannot be the parameters of \
                    the next one",
            );
        }
    }
    current
}

fn find(node: &Node, invocation: &Invocation, name: &str) -> Option<Found> {
    let user = &invocation.namespace.name;
    let (owner, name) = EntityName::parse_qualified(name, user)?;
    resolution::find(&node.catalog, user, &owner, &name).ok()
}
