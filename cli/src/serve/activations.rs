//! Records of a server's last activations, for its page: in memory, as OpenWhisk has them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use keynet_host::{Failure, LogSink, Outcome, Parameters, Stream};
use keynet_node::entities::milliseconds;
use keynet_openwhisk_api::Status;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::ui::console::Logs;

/// Activations that are kept.
const KEPT: usize = 200;

/// Bytes of all results and logs that are kept.
const KEPT_BYTES: usize = 64 << 20;

/// Bytes of the logs of one activation that are kept.
const LOGS: usize = 1 << 20;

/// Bytes of parameters that are kept.
const PARAMETERS: usize = 64 << 10;

/// Records of the last activations.
#[derive(Debug, Default)]
pub struct Activations(Mutex<VecDeque<Arc<Record>>>);

/// Activation that has ended.
#[derive(Debug)]
pub struct Record {
    /// Activation id: 32 hexadecimal digits.
    pub id: String,
    /// Start in milliseconds since 1970.
    pub start: u64,
    /// Fields of the record but the following.
    summary: serde_json::Map<String, Value>,
    parameters: Option<Box<RawValue>>,
    /// Result, JSON.
    result: Box<RawValue>,
    status: Status,
    pub logs: Vec<String>,
    bytes: usize,
}

/// Logs of one activation, printed and kept.
pub struct KeptLogs {
    printed: Logs,
    kept: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    bytes: usize,
}

impl KeptLogs {
    pub fn new(printed: Logs) -> Self {
        Self { printed, kept: Mutex::default() }
    }

    fn take(&self) -> Vec<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut kept.lines)
    }
}

impl LogSink for KeptLogs {
    fn line(&self, stream: Stream, line: &[u8]) {
        self.printed.line(stream, line);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes > LOGS {
            return;
        }
        kept.bytes += line.len();
        let text = match kept.bytes > LOGS {
            true => "further lines are on the terminal only".into(),
            false => String::from_utf8_lossy(line),
        };
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        kept.lines.push(format!("{time} {stream}: {text}"));
    }
}

impl Activations {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the record of an activation, and drops the oldest ones beyond the limits.
    pub fn add(&self, record: Record) -> Arc<Record> {
        let record = Arc::new(record);
        let mut records = self.lock();
        records.push_back(Arc::clone(&record));
        while records.len() > KEPT
            || records.len() > 1
                && records.iter().map(|record| record.bytes).sum::<usize>() > KEPT_BYTES
        {
            records.pop_front();
        }
        record
    }

    /// Returns at most `limit` records that began at `since` or later, the latest first.
    pub fn list(&self, since: u64, limit: usize) -> Vec<Arc<Record>> {
        let records = self.lock();
        let listed = records.iter().rev().filter(|record| record.start >= since);
        listed.take(limit).cloned().collect()
    }

    /// Returns the record called `id`.
    pub fn get(&self, id: &str) -> Option<Arc<Record>> {
        self.lock().iter().find(|record| record.id == id).cloned()
    }
}

/// Beginning of an activation.
pub struct Begun {
    number: u64,
    at: SystemTime,
    parameters: Option<Box<RawValue>>,
}

impl Begun {
    pub fn now(number: u64, parameters: &Parameters) -> Self {
        let text = Some(parameters.text()).filter(|text| text.len() <= PARAMETERS);
        let parameters = text.and_then(|text| RawValue::from_string(text.to_owned()).ok());
        Self { number, at: SystemTime::now(), parameters }
    }

    /// Returns the record of the activation of the action `name`, which ended with `outcome`.
    pub fn ended(self, name: &str, outcome: &Outcome, logs: &KeptLogs) -> Record {
        let start =
            milliseconds(self.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let duration = milliseconds(Duration::from_nanos(outcome.receipt.total_ns));
        let (status, result) = match &outcome.result {
            Ok(result) => (of_result(result), result.to_string()),
            Err(failure) => {
                let status = match failure {
                    Failure::Result(_) => Status::DeveloperError,
                    Failure::Start(_) => Status::Internal,
                    _ => Status::ApplicationError,
                };
                (status, json!({ "error": failure.to_string() }).to_string())
            }
        };
        let mut logs = logs.take();
        if let Err(failure) = &outcome.result {
            logs.extend(failure.trace().iter().map(|frame| format!("keynet:   in {frame}")));
        }
        let queued = milliseconds(Duration::from_nanos(outcome.receipt.queued_ns));
        // Two servers that began at different times have no id in common.
        let id = format!("{start:016x}{:016x}", self.number);
        let summary = json!({
            "activationId": id, "namespace": super::page::NAMESPACE, "name": name,
            "subject": super::page::NAMESPACE, "version": "0.0.1", "publish": false,
            "start": start, "end": start + duration, "duration": duration.saturating_sub(queued),
            "statusCode": status.code(),
            "annotations": [
                { "key": "kind", "value": "wasm:component" },
                { "key": "waitTime", "value": queued },
                { "key": "keynet-receipt", "value": outcome.receipt },
            ],
        });
        let summary = match summary {
            Value::Object(summary) => summary,
            _ => serde_json::Map::new(),
        };
        let bytes = result.len() + logs.iter().map(String::len).sum::<usize>() + 4096;
        let result = RawValue::from_string(result).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Record { id, start, summary, parameters: self.parameters, result, status, logs, bytes }
    }
}

/// Returns the status of an action that has a result: an object with `error` is one.
fn of_result(result: &str) -> Status {
    match serde_json::from_str::<HashMap<String, &RawValue>>(result) {
        Ok(members) if members.contains_key("error") => Status::ApplicationError,
        _ => Status::Success,
    }
}

impl Record {
    /// Returns the record without its result and its logs.
    pub fn summary(&self) -> Value {
        Value::Object(self.summary.clone())
    }

    /// Returns the JSON of the whole record.
    pub fn whole(&self) -> String {
        #[derive(serde::Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            summary: &'a serde_json::Map<String, Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            parameters: Option<&'a RawValue>,
            response: Box<RawValue>,
            logs: &'a [String],
        }
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Response<'a> {
            status: &'static str,
            status_code: u8,
            success: bool,
            result: &'a RawValue,
        }
        let response = Response {
            status: self.status.text(),
            status_code: self.status.code(),
            success: matches!(self.status, Status::Success),
            result: &self.result,
        };
        // Texts, numbers and JSON always serialise.
        let whole = to_raw_value(&response).and_then(|response| {
            serde_json::to_string(&Whole {
                summary: &self.summary,
                parameters: self.parameters.as_deref(),
                response,
                logs: &self.logs,
            })
        });
        whole.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(start: u64, bytes: usize) -> Record {
        Record {
            id: format!("{start:032x}"),
            start,
            summary: serde_json::Map::new(),
            parameters: None,
            result: RawValue::NULL.to_owned(),
            status: Status::Success,
            logs: vec!["a line".to_owned()],
            bytes,
        }
    }

    #[test]
    fn the_last_records_are_kept_within_their_number_and_size() {
        let activations = Activations::default();
        for start in 0..KEPT as u64 + 5 {
            activations.add(record(start, 10));
        }
        let listed = activations.list(0, 1000);
        assert_eq!((listed.len(), listed[0].start, listed[KEPT - 1].start), (KEPT, 204, 5));
        assert_eq!(activations.list(200, 3).len(), 3);
        for start in 300..303 {
            activations.add(record(start, KEPT_BYTES / 2 - 100));
        }
        assert_eq!(activations.list(0, 1000).len(), 2);
        assert!(activations.get(&format!("{:032x}", 302)).is_some());
        let whole: Value = serde_json::from_str(&record(1, 1).whole()).unwrap();
        assert_eq!(
            whole,
            json!({
                "response": { "status": "success", "statusCode": 0, "success": true, "result": null },
                "logs": ["a line"],
            })
        );
    }

    #[test]
    fn a_result_with_an_error_is_an_application_error() {
        for (result, code) in [
            ("{\"error\": 1}", 1),
            ("{\"error\": null}", 1),
            ("{\"a\": {\"error\": 1}}", 0),
            ("[1]", 0),
            ("{}", 0),
        ] {
            assert_eq!(of_result(result).code(), code, "{result}");
        }
    }
}
