//! Records of activations, as they are stored.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use keynet_base::budget::Reservation;
use keynet_base::trace_context::TraceId;
use keynet_openwhisk_api::Status;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Invocation;
use super::component::Cost;
use super::facts::Facts;
use super::json;
use crate::entities::{Limits, milliseconds};
use crate::fairness::for_long;
use crate::node::Node;
use crate::records::{Accepted, Content, Record};

/// Logs of an activation that wrote none.
const NO_LOGS: &str = "[]";

/// An activation that ended and is recorded.
pub struct Ended {
    /// Its record, without its logs.
    pub record: Record,
    /// Status.
    pub status: Status,
    /// Memory of the namespace that the result takes.
    pub held: Option<Reservation>,
}

/// Facts about an activation that ended.
pub(super) struct Finished {
    pub(super) id: String,
    /// Its trace; `None` if traces are off.
    pub(super) trace: Option<TraceId>,
    /// Start, in milliseconds since 1970.
    pub(super) start: u64,
    /// Duration in milliseconds.
    pub(super) duration: u64,
    /// Time in the queue.
    pub(super) waited: Duration,
    pub(super) cost: Cost,
    pub(super) status: Status,
    /// JSON text.
    pub(super) result: String,
    /// Memory of the namespace that the result takes, also in the record.
    pub(super) held: Option<Reservation>,
    /// Activation id of the sequence that it is a part of.
    pub(super) cause: Option<String>,
    /// JSON array; `None` if it is empty.
    pub(super) logs: Option<String>,
    /// `true` if it is a sequence, whose logs are the ids of its activations.
    pub(super) sequence: bool,
}

impl Finished {
    /// Stores the record and returns what a caller gets of it. A record that cannot be stored is
    /// an internal error to the caller: its result would not be there later.
    pub(super) async fn store(self, node: &Node, invocation: &Invocation) -> Ended {
        let content = Content::Facts(self.facts(invocation).to_bytes());
        let Self { id, start, duration, status, result, held, logs, .. } = self;
        let mut record = Record {
            id,
            namespace: Arc::clone(&invocation.namespace.name),
            path: invocation.action.name.path().into_owned(),
            start,
            end: start + duration,
            status: status.code(),
            content,
            result,
            logs: logs.unwrap_or_else(|| NO_LOGS.to_owned()),
        };
        let storing = node.records.finish(&record);
        let stored = if record.is_large() { for_long(storing).await } else { storing.await };
        if record.logs != NO_LOGS {
            record.logs = NO_LOGS.to_owned(); // no response has them, and they can be large
        }
        let Err(error) = stored else { return Ended { record, status, held } };
        tracing::error!(%error, activation = record.id, "an activation cannot be recorded");
        let message = "the activation ended, and its record cannot be stored: the node's disk or \
            database fails";
        let status = Status::Internal;
        record.status = status.code();
        record.result = json!({ "error": message }).to_string();
        Ended { record, status, held: None }
    }

    fn facts<'a>(&'a self, invocation: &'a Invocation) -> Facts<'a> {
        let (action, namespace) = (&*invocation.action, &*invocation.namespace.name);
        Facts {
            owner: Some(&*action.namespace).filter(|owner| *owner != namespace),
            version: action.version,
            kind: action.exec.kind(),
            limits: action.limits,
            digest: action.digest.as_deref(),
            is_sequence: self.sequence,
            waited: milliseconds(self.waited),
            load: self.cost.load.map(milliseconds),
            receipt: self.cost.receipt.as_ref().map(Cow::Borrowed),
            trace: self.trace.map(|trace| *trace.bytes()),
            cause: self.cause.as_deref(),
        }
    }
}

/// What is stored of an activation that is acknowledged before it ends.
#[derive(Serialize, Deserialize)]
struct Outline {
    name: String,
    path: String,
    version: String,
    kind: String,
    limits: Limits,
    digest: Option<String>,
}

/// Returns the acceptance of the activation called `id`.
pub(super) fn accepted(id: &str, invocation: &Invocation) -> Accepted {
    let action = &invocation.action;
    let outline = Outline {
        name: action.name.name.clone(),
        path: action.path(),
        version: action.version.to_string(),
        kind: action.exec.kind().to_owned(),
        limits: action.limits,
        digest: action.digest.clone(),
    };
    Accepted {
        id: id.to_owned(),
        namespace: Arc::clone(&invocation.namespace.name),
        path: action.name.path().into_owned(),
        start: crate::entities::now_ms(),
        document: serde_json::to_string(&outline).unwrap_or_default(),
    }
}

/// Returns the record of an activation that was accepted and had not ended when the process did.
/// It is not run again: it may have had effects.
pub fn interrupted(accepted: Accepted) -> Record {
    let outline: Option<Outline> = serde_json::from_str(&accepted.document).ok();
    let result = json!({
        "error": "the node ended before the activation did: it may have run in part, and is not \
            run again"
    });
    let mut document = json!({
        "activationId": accepted.id, "namespace": accepted.namespace.as_ref(),
        "subject": accepted.namespace.as_ref(), "publish": false, "start": accepted.start,
        "end": accepted.start, "duration": 0, "statusCode": Status::Internal.code(),
    });
    if let (serde_json::Value::Object(fields), Some(outline)) = (&mut document, outline) {
        fields.insert("name".to_owned(), json!(outline.name));
        fields.insert("version".to_owned(), json!(outline.version));
        let annotations = json!([
            { "key": "path", "value": outline.path },
            { "key": "kind", "value": outline.kind },
            { "key": "limits", "value": outline.limits },
            { "key": "keynet-digest", "value": outline.digest },
        ]);
        fields.insert("annotations".to_owned(), annotations);
    }
    Record {
        content: Content::Document(document.to_string()),
        result: json::response(Status::Internal, &result.to_string()),
        logs: NO_LOGS.to_owned(),
        status: Status::Internal.code(),
        end: accepted.start,
        id: accepted.id,
        namespace: accepted.namespace,
        path: accepted.path,
        start: accepted.start,
    }
}
