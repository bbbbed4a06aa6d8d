//! Records of activations, as OpenWhisk has them.

use std::sync::Arc;
use std::time::Duration;

use keynet_base::budget::Reservation;
use keynet_base::offload;
use keynet_base::trace_context::TraceId;
use keynet_host::Receipt;
use keynet_openwhisk_api::Status;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::Invocation;
use super::component::Cost;
use crate::entities::{Limits, milliseconds};
use crate::node::Node;
use crate::records::{Accepted, Record};

/// Size of most records without response and logs.
const DOCUMENT_BYTES: usize = 1 << 11;

/// An activation that ended and is recorded.
pub struct Ended {
    /// Activation id.
    pub id: String,
    /// Status.
    pub status: Status,
    /// Result, JSON text.
    pub result: String,
    /// Record without its response and logs: a JSON object.
    document: String,
    /// Response of the record: a JSON object.
    response: String,
    /// Memory of the namespace that they take.
    pub held: Option<Reservation>,
}

impl Ended {
    /// Returns the record without logs: a JSON object.
    pub fn record(&self) -> String {
        with_response(&self.document, &self.response, "[]")
    }
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
    pub(super) logs: Vec<String>,
    /// `true` if it is a sequence, whose logs are the ids of its activations.
    pub(super) sequence: bool,
}

/// Record without response and logs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    activation_id: &'a str,
    namespace: &'a str,
    name: &'a str,
    version: String,
    subject: &'a str,
    publish: bool,
    start: u64,
    end: u64,
    duration: u64,
    status_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    annotations: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
struct Annotation<'a> {
    key: &'static str,
    value: AnnotationValue<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnnotationValue<'a> {
    Text(&'a str),
    Owned(String),
    Number(u64),
    Flag(bool),
    Limits(Limits),
    Receipt(&'a Receipt),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    status: &'static str,
    status_code: u8,
    success: bool,
    result: &'a RawValue,
}

impl Finished {
    /// Stores the record and returns what a caller gets of it. A record that cannot be stored is
    /// an internal error to the caller: its result would not be there later.
    pub(super) async fn store(self, node: &Arc<Node>, invocation: &Invocation) -> Ended {
        let document = self.document(invocation);
        let Self { id, start, duration, status, result, held, logs, .. } = self;
        let bytes = result.len() + logs.iter().map(String::len).sum::<usize>();
        let namespace = Arc::clone(&invocation.namespace.name);
        let path = invocation.action.name.path().into_owned();
        let written = offload::run(bytes, None, move || {
            let response = response_of(status, &result);
            // Serialising texts cannot fail.
            let logs = serde_json::to_string(&logs).unwrap_or_else(|_| "[]".to_owned());
            let (end, status) = (start + duration, status.code());
            (Record { id, namespace, path, start, end, status, document, response, logs }, result)
        });
        // Without an answer the runtime is being shut down, and nobody is told anything.
        let Some((record, result)) = written.await else { std::future::pending().await };
        let stored = node.records.finish(&record).await;
        let Record { id, document, response, .. } = record;
        let Err(error) = stored else {
            return Ended { id, status, result, document, response, held };
        };
        tracing::error!(%error, activation = id, "an activation cannot be recorded");
        let message = "the activation ended, and its record cannot be stored: the node's disk or \
            database fails";
        let (status, result) = (Status::Internal, json!({ "error": message }).to_string());
        let response = response_of(status, &result);
        Ended { id, status, result, document, response, held: None }
    }

    fn document(&self, invocation: &Invocation) -> String {
        let action = &invocation.action;
        let mut annotations = vec![
            Annotation { key: "path", value: AnnotationValue::Owned(action.path()) },
            Annotation { key: "kind", value: AnnotationValue::Text(action.exec.kind()) },
            Annotation { key: "limits", value: AnnotationValue::Limits(action.limits) },
        ];
        let mut add = |key, value| annotations.push(Annotation { key, value });
        if let Some(digest) = &action.digest {
            add("keynet-digest", AnnotationValue::Text(digest));
        }
        if self.sequence {
            add("topmost", AnnotationValue::Flag(self.cause.is_none()));
        } else {
            add("waitTime", AnnotationValue::Number(milliseconds(self.waited)));
        }
        if let Some(init) = self.cost.load {
            add("initTime", AnnotationValue::Number(milliseconds(init)));
        }
        if let Some(receipt) = &self.cost.receipt {
            add("keynet-receipt", AnnotationValue::Receipt(receipt));
        }
        if let Some(trace) = &self.trace {
            add("keynet-trace", AnnotationValue::Owned(trace.to_string()));
        }
        if self.cause.is_some() {
            add("causedBy", AnnotationValue::Text("sequence"));
        }
        let document = Document {
            activation_id: &self.id,
            namespace: &invocation.namespace.name,
            name: &action.name.name,
            version: action.version.to_string(),
            subject: &invocation.namespace.name,
            publish: false,
            start: self.start,
            end: self.start + self.duration,
            duration: self.duration,
            status_code: self.status.code(),
            cause: self.cause.as_deref(),
            annotations,
        };
        let mut text = Vec::with_capacity(DOCUMENT_BYTES);
        // Serialising a struct of texts and numbers to memory cannot fail.
        let _ = serde_json::to_writer(&mut text, &document);
        String::from_utf8(text).unwrap_or_default()
    }
}

fn response_of(status: Status, result: &str) -> String {
    let response = Response {
        status: status.text(),
        status_code: status.code(),
        success: status == Status::Success,
        // It was validated when the action returned it.
        result: serde_json::from_str(result).unwrap_or(RawValue::NULL),
    };
    serde_json::to_string(&response).unwrap_or_default()
}

/// Returns a whole record: `document` with its response and its logs.
pub fn with_response(document: &str, response: &str, logs: &str) -> String {
    let open = document.strip_suffix('}').unwrap_or(document);
    [open, ",\"response\":", response, ",\"logs\":", logs, "}"].concat()
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
        response: response_of(Status::Internal, &result.to_string()),
        document: document.to_string(),
        logs: "[]".to_owned(),
        status: Status::Internal.code(),
        end: accepted.start,
        id: accepted.id,
        namespace: accepted.namespace,
        path: accepted.path,
        start: accepted.start,
    }
}
