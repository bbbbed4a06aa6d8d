//! The span of an activation, or of a sequence.

use keynet_openwhisk_api::Status;
use std::time::Instant;

use keynet_host::Timeline;
use keynet_host::activation::Phase;
use keynet_host::telemetry::{ActivationSpan, BegunSpan};

use super::Invocation;
use super::component::Cost;
use crate::node::Node;

/// Times of an activation on the node, for its span.
pub(super) struct Times {
    /// Start of the wait for a slot.
    pub(super) requested: Instant,
    /// Start of the activation in its slot.
    pub(super) started: Instant,
    /// Time at which its action was loaded; `None` if it was loaded before.
    pub(super) loaded: Option<Instant>,
    /// What happened in the sandbox.
    pub(super) timeline: Option<Box<Timeline>>,
}

impl Times {
    /// Returns the times of an activation that was requested at `requested` and has not begun.
    pub(super) fn requested(requested: Instant) -> Self {
        Self { requested, started: requested, loaded: None, timeline: None }
    }
}

/// Ends the span of the activation called `id`.
pub(super) fn end(
    node: &Node,
    invocation: &Invocation,
    id: &str,
    begun: Option<&BegunSpan>,
    (status, cost, times): (Status, &Cost, &Times),
) {
    let (Some(tracer), Some(begun)) = (&node.tracer, begun) else { return };
    let action = &invocation.action;
    let mut attributes = vec![
        ("faas.name", action.path()),
        ("faas.invocation_id", id.to_owned()),
        ("keynet.namespace", invocation.namespace.name.to_string()),
    ];
    attributes.extend(action.digest.clone().map(|digest| ("keynet.component", digest)));
    let mut phases = Vec::new();
    if times.started > times.requested {
        phases.push(Phase { name: "queue", start: times.requested, end: times.started });
    }
    if let Some(end) = times.loaded {
        phases.push(Phase { name: "load", start: times.started, end });
    }
    tracer.end(
        begun,
        ActivationSpan {
            name: &action.name.name,
            start: times.requested,
            end: Instant::now(),
            phases,
            attributes,
            error: (status != Status::Success).then(|| status.label()),
            ran: times.timeline.as_deref().zip(cost.receipt.as_ref()),
        },
    );
}
