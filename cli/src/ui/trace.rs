//! The trace of one run as a file for <https://ui.perfetto.dev> and `chrome://tracing`.
//!
//! Format: the JSON array of
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>, complete
//! events with times in microseconds since the action began to be loaded.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keynet_host::activation::Phase;
use keynet_host::{Outcome, Receipt, Timeline};
use serde::Serialize;
use serde_json::{Value, json};

use crate::errors::ExpectedError;

/// Ids of the one process and the one thread of the file. Events of a thread lie within one
/// another by their times.
const PROCESS: u32 = 1;
const THREAD: u32 = 1;

/// File of a trace.
pub struct TraceFile {
    path: PathBuf,
    file: File,
}

/// An event.
#[derive(Serialize)]
struct Event {
    name: String,
    cat: &'static str,
    /// `X`: complete, with a start and a duration. `M`: a name of the process or the thread.
    ph: &'static str,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u32,
    tid: u32,
    args: Value,
}

impl TraceFile {
    /// Creates the file, so that a run is not wasted on a folder that cannot be written.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create(path: &Path) -> Result<Self, ExpectedError> {
        let file = File::create(path).map_err(ExpectedError::io("write the trace to", path))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the run of the action called `name`, which began to be loaded at `begun` and was
    /// loaded after `loaded`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(
        mut self,
        name: &str,
        begun: Instant,
        loaded: Duration,
        outcome: &Outcome,
    ) -> Result<(), ExpectedError> {
        let events = events(name, begun, loaded, outcome.timeline.as_deref(), &outcome.receipt);
        // Numbers and texts always serialise to JSON.
        let lines: Vec<String> =
            events.iter().map(|event| serde_json::to_string(event).unwrap_or_default()).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        let written = self.file.write_all(text.as_bytes());
        written.map_err(ExpectedError::io("write the trace to", &self.path))
    }
}

fn events(
    name: &str,
    begun: Instant,
    loaded: Duration,
    timeline: Option<&Timeline>,
    receipt: &Receipt,
) -> Vec<Event> {
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    let event = |name: &str, cat, start: Instant, end: Instant, args| Event {
        name: name.to_owned(),
        cat,
        ph: "X",
        ts: microseconds(start.saturating_duration_since(begun)),
        dur: Some(microseconds(end.saturating_duration_since(start))),
        pid: PROCESS,
        tid: THREAD,
        args,
    };
    let mut events = vec![
        named("process_name", "keynet-inference run"),
        named("thread_name", name),
        event("load", "host", begun, begun + loaded, json!({})),
    ];
    let Some(timeline) = timeline else { return events };
    let whole = json!({ "receipt": receipt, "calls_left_out": timeline.more_calls });
    events.push(event(name, "activation", timeline.requested, timeline.ended, whole));
    for Phase { name, start, end } in timeline.phases() {
        events.push(event(name, "phase", start, end, json!({})));
    }
    for call in &timeline.calls {
        let mut args = json!({ "bytes_sent": call.sent, "bytes_received": call.received });
        let mut set = |key: &str, value: &str| {
            if let Value::Object(fields) = &mut args {
                fields.insert(key.to_owned(), value.into());
            }
        };
        if let Some(model) = call.model.and_then(|at| receipt.models.get(at)) {
            set("model", &model.name);
            set("version", &model.version);
            set("engine", receipt.inference_engine.as_deref().unwrap_or_default());
        }
        if let Some(error) = call.error {
            set("error", error.as_str());
        }
        let end = call.end.unwrap_or(timeline.guest_ended);
        events.push(event(call.name, "import", call.start, end, args));
    }
    events
}

fn named(what: &str, name: &str) -> Event {
    Event {
        name: what.to_owned(),
        cat: "__metadata",
        ph: "M",
        ts: 0.0,
        dur: None,
        pid: PROCESS,
        tid: THREAD,
        args: json!({ "name": name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_lie_within_the_activation_and_follow_the_load() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let timeline = Timeline {
            requested: at(10),
            started: at(10),
            instantiated: at(11),
            guest_ended: at(14),
            ended: at(15),
            calls: Vec::new(),
            more_calls: 0,
        };
        let loaded = Duration::from_millis(9);
        let events = events("hello", begun, loaded, Some(&timeline), &Receipt::default());
        let times: Vec<_> = events
            .iter()
            .filter_map(|event| Some((event.name.as_str(), event.ts.round(), event.dur?.round())))
            .collect();
        let expected = [
            ("load", 0.0, 9000.0),
            ("hello", 10_000.0, 5000.0),
            ("queue", 10_000.0, 0.0),
            ("instantiate", 10_000.0, 1000.0),
            ("guest", 11_000.0, 3000.0),
            ("answer", 14_000.0, 1000.0),
        ];
        assert_eq!(times, expected);
    }
}
