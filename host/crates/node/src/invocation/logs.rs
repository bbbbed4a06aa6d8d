//! Logs of one activation, kept for its record.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{SecondsFormat, Utc};
use keynet_host::{LogSink, Stream};

use crate::tenants::Namespace;

/// Bytes that a line takes beside its text, in memory and in the record.
const PER_LINE: u64 = 64;

/// Last line of logs that were cut.
const CUT: &str = "Logs were truncated because the activations of this namespace hold as many \
    bytes of logs as its quota allows.";

/// Lines of an activation. They count in the quota of the namespace until they are stored.
pub(super) struct RecordLogs {
    namespace: Arc<Namespace>,
    quota: u64,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    bytes: u64,
    cut: bool,
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

    /// Returns the lines. They count in the quota until this is dropped: until they are stored.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().lines)
    }
}

impl LogSink for RecordLogs {
    fn line(&self, stream: Stream, line: &[u8]) {
        let mut held = self.lock();
        if held.cut {
            return;
        }
        let bytes = line.len() as u64 + PER_LINE;
        let before = self.namespace.held_logs.fetch_add(bytes, Ordering::Relaxed);
        held.bytes += bytes;
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true);
        if before.saturating_add(bytes) > self.quota {
            held.cut = true;
            held.lines.push(format!("{time} stderr: {CUT}"));
        } else {
            held.lines.push(format!("{time} {stream}: {}", String::from_utf8_lossy(line)));
        }
    }
}

impl Drop for RecordLogs {
    fn drop(&mut self) {
        let bytes = self.lock().bytes;
        self.namespace.held_logs.fetch_sub(bytes, Ordering::Relaxed);
    }
}
