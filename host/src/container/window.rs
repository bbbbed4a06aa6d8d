//! The logs of one activation on the process's two streams.
//!
//! OpenWhisk reads a container's streams and takes the lines before its mark, one line on each
//! stream, for one activation's logs. A [`Window`] is open from an activation's first line to the
//! mark, which it writes on every exit path: when it is closed, and when it is dropped because the
//! caller disconnected.
//!
//! If activations overlap, each one's lines are buffered and written together with the mark, so
//! that they stay together; only an activation that writes more than [`GATHERED`] is written in
//! parts of that size. If they do not overlap, lines are written when the action waits or has
//! computed for a tick of the epoch. In both cases a line is written whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use super::answer;
use super::output::{Ending, Output};
use crate::activation::{LogSink, SENTINEL, Stream, disarm};

/// Bytes of an activation's output that are buffered on a stream if activations overlap.
pub(super) const GATHERED: usize = 64 << 10;

/// Bytes of an activation's output that are buffered on a stream if activations do not overlap.
const AT_ONCE: usize = 16 << 10;

/// The log window of one activation.
#[derive(Debug)]
pub(super) struct Window {
    output: Arc<Output>,
    /// `true` to buffer lines until the end.
    gather: bool,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    closed: bool,
}

impl Held {
    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl Window {
    /// Opens a window; with `gather` it buffers its lines.
    pub(super) fn open(output: Arc<Output>, gather: bool) -> Arc<Self> {
        Arc::new(Self { output, gather, held: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a message about this activation to standard error, for the author of the action. The
    /// text may come from the action.
    pub(super) fn note(&self, text: &str) {
        for line in answer::shortened(text).unwrap_or(text).lines() {
            self.line(Stream::Stderr, &disarm(line.as_bytes().to_vec()));
        }
        self.flush();
    }

    /// Writes the buffered lines and the marks. Only the first call has an effect.
    pub(super) fn close(&self) {
        drop(self.finish(true, false));
    }

    /// As [`Window::close`], when what it returns is dropped; before the mark on standard error comes
    /// `last`, a line of the host. If activations overlap, lets those that end at the same time come
    /// first, and their logs are written together.
    pub(super) async fn close_later(&self, last: Option<&str>) -> Option<Ending> {
        if let Some(last) = last {
            push_line(&mut self.lock().stderr, last.as_bytes());
        }
        let with_others = self.gather && self.output.others_end().await;
        self.finish(true, with_others)
    }

    /// As [`Window::close`], without the marks: the following lines belong to the same window.
    pub(super) fn leave_open(&self) {
        drop(self.finish(false, false));
    }

    fn finish(&self, marks: bool, with_others: bool) -> Option<Ending> {
        let mut held = self.lock();
        if std::mem::replace(&mut held.closed, true) {
            return None;
        }
        let Held { stdout, stderr, .. } = &mut *held;
        if marks {
            push_line(stdout, SENTINEL.as_bytes());
            push_line(stderr, SENTINEL.as_bytes());
        }
        let ending = self.output.end(stdout, stderr, with_others);
        (*stdout, *stderr) = (Vec::new(), Vec::new());
        Some(ending)
    }

    fn write(&self, stream: Stream, lines: &[u8]) {
        if !lines.is_empty() {
            self.output.write(stream, lines);
        }
    }
}

fn push_line(bytes: &mut Vec<u8>, line: &[u8]) {
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
}

impl LogSink for Window {
    fn line(&self, stream: Stream, line: &[u8]) {
        let mut held = self.lock();
        if held.closed {
            return;
        }
        let bytes = held.of(stream);
        push_line(bytes, line);
        if bytes.len() > if self.gather { GATHERED } else { AT_ONCE } {
            self.write(stream, bytes);
            bytes.clear();
        }
    }

    fn flush(&self) {
        if self.gather {
            return;
        }
        let mut held = self.lock();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let bytes = held.of(stream);
            self.write(stream, bytes);
            bytes.clear();
        }
    }

    fn has_room(&self, stream: Stream) -> bool {
        self.output.has_room(stream)
    }

    fn room(&self, stream: Stream) -> BoxFuture<'_, ()> {
        Box::pin(self.output.room(stream))
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        self.close();
    }
}
