//! The logs of one activation on the process's two streams.
//!
//! The platform reads a container's streams and takes what stands before its mark, one line on each
//! stream, for one activation's logs. A [`Window`] is open from an activation's first line to the
//! mark, which it writes on every way out: when it is closed, and when it is dropped because the
//! caller went away.
//!
//! Where activations overlap, each one's lines are held back and written together with the mark, so
//! that they stand beside one another; only an activation that says more than [`GATHERED`] is
//! written in parts of that size. Where they do not, lines are written as they come, those that the
//! action writes at once together. Either way a line is written whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use super::answer;
use super::output::Output;
use crate::activation::{LogSink, SENTINEL, Stream, disarm};

/// Bytes of an activation's output that are held back on a stream where activations overlap.
pub(super) const GATHERED: usize = 64 << 10;

/// Bytes that are held back of what an action writes at once, where activations do not overlap.
const AT_ONCE: usize = 16 << 10;

/// One activation's share of the output.
#[derive(Debug)]
pub(super) struct Window {
    output: Arc<Output>,
    /// Whether lines are held back until the end.
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
    /// Opens one; with `gather` it holds its lines back.
    pub(super) fn open(output: Arc<Output>, gather: bool) -> Arc<Self> {
        Arc::new(Self { output, gather, held: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something about this activation on standard error, for whoever wrote the action. The
    /// words may be the action's own.
    pub(super) fn note(&self, text: &str) {
        for line in answer::shortened(text).unwrap_or(text).lines() {
            self.line(Stream::Stderr, &disarm(line.as_bytes().to_vec()));
        }
        self.flush();
    }

    /// Writes what is held back and the marks; before the one on standard error `last`, a line of
    /// the host's. Only the first time.
    pub(super) fn close(&self, last: Option<&str>) {
        self.finish(last.unwrap_or_default(), true);
    }

    /// Writes what is held back without marks: what follows belongs to the same window.
    pub(super) fn leave_open(&self) {
        self.finish("", false);
    }

    fn finish(&self, last: &str, marks: bool) {
        let mut held = self.lock();
        if std::mem::replace(&mut held.closed, true) {
            return;
        }
        push_line(&mut held.stderr, last.as_bytes(), !last.is_empty());
        for stream in [Stream::Stdout, Stream::Stderr] {
            let bytes = held.of(stream);
            push_line(bytes, SENTINEL.as_bytes(), marks);
            self.write(stream, bytes, marks);
            *bytes = Vec::new();
        }
    }

    fn write(&self, stream: Stream, lines: &[u8], ends: bool) {
        if !lines.is_empty() {
            self.output.write(stream, lines, ends);
        }
    }
}

fn push_line(bytes: &mut Vec<u8>, line: &[u8], wanted: bool) {
    if wanted {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
}

impl LogSink for Window {
    fn line(&self, stream: Stream, line: &[u8]) {
        let mut held = self.lock();
        if held.closed {
            return;
        }
        let bytes = held.of(stream);
        push_line(bytes, line, true);
        if bytes.len() > if self.gather { GATHERED } else { AT_ONCE } {
            self.write(stream, bytes, false);
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
            self.write(stream, bytes, false);
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
        self.close(None);
    }
}
