//! Logs of one activation, kept for its record.

use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{SecondsFormat, Utc};
use keynet_host::{LogSink, Stream};
use serde::Serializer as _;

use crate::tenants::Namespace;

/// Last line of logs that were cut.
const CUT: &str = "Logs were truncated because the activations of this namespace hold as many \
    bytes of logs as its quota allows.";

/// Lines of an activation. They count in the quota of the namespace until they are stored.
///
/// They are written as JSON line by line, in the turns of the activation: at its end, the work would
/// delay others.
pub(super) struct RecordLogs {
    namespace: Arc<Namespace>,
    quota: u64,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    /// JSON array without its end; empty if there is no line.
    json: Vec<u8>,
    /// Bytes that count in the quota.
    held: u64,
    cut: bool,
}

impl Lines {
    /// Returns the bytes that it takes.
    fn push(&mut self, stream: &str, text: impl Display) -> usize {
        let before = self.json.len();
        self.json.push(if before == 0 { b'[' } else { b',' });
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true);
        let line = format_args!("{time} {stream}: {text}");
        // Serialising texts to memory cannot fail.
        let _ = serde_json::Serializer::new(&mut self.json).collect_str(&line);
        self.json.len() - before
    }
}

impl RecordLogs {
    pub(super) fn new(namespace: Arc<Namespace>) -> Arc<Self> {
        let quota = namespace.settings().quotas.logs;
        Arc::new(Self { namespace, quota, lines: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message of the host on standard error.
    pub(super) fn note(&self, text: &str) {
        text.lines().for_each(|line| self.line(Stream::Stderr, line.as_bytes()));
    }

    /// Returns the lines as a JSON array; `None` if there are none. They count in the quota until
    /// this is dropped: until they are stored.
    pub(super) fn take(&self) -> Option<String> {
        let mut json = std::mem::take(&mut self.lock().json);
        if json.is_empty() {
            return None;
        }
        json.push(b']');
        String::from_utf8(json).ok()
    }
}

impl LogSink for RecordLogs {
    fn line(&self, stream: Stream, line: &[u8]) {
        let mut lines = self.lock();
        if lines.cut {
            return;
        }
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let length = lines.json.len();
        let bytes = lines.push(stream, String::from_utf8_lossy(line)) as u64;
        lines.held += bytes;
        let before = self.namespace.held_logs.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.quota {
            lines.cut = true;
            lines.json.truncate(length);
            lines.push("stderr", CUT);
        }
    }
}

impl Drop for RecordLogs {
    fn drop(&mut self) {
        let held = self.lock().held;
        self.namespace.held_logs.fetch_sub(held, Ordering::Relaxed);
    }
}
