//! The logs of one activation on the process's two streams.
//!
//! OpenWhisk reads a container's streams and takes the lines before its mark, one line on each
//! stream, for one activation's logs. A [`Window`] is open from an activation's first line to the
//! mark, which it writes on every exit path: when it is closed, and when it is dropped because the
//! caller disconnected.
//!
//! If activations overlap, each one's lines are buffered and written together with the mark, so
//! that they stay together; only an activation that writes more than [`GATHERED`] is written in
//! parts of that size. If they do not overlap, lines are written as they come; the lines of one
//! write of the action are written together. In both cases a line is written whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;

use super::answer;
use super::output::Output;
use crate::activation::{LogSink, SENTINEL, Stream, disarm};

/// Bytes of an activation's output that are buffered on a stream if activations overlap.
pub(super) const GATHERED: usize = 64 << 10;

/// Bytes of one write of an action that are buffered if activations do not overlap.
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

    /// Writes the buffered lines and the marks; before the mark on standard error it writes `last`,
    /// a line of the host. Only the first call has an effect.
    pub(super) fn close(&self, last: Option<&str>) {
        self.finish(last.unwrap_or_default(), true, Output::write);
    }

    /// As [`Window::close`]. If activations overlap, those that end at the same time are written
    /// together.
    pub(super) async fn close_with_others(&self, last: Option<&str>) {
        if self.gather {
            self.finish(last.unwrap_or_default(), true, Output::gather);
            self.output.write_gathered().await;
        } else {
            self.close(last);
        }
    }

    /// Writes the buffered lines without marks: the following lines belong to the same window.
    pub(super) fn leave_open(&self) {
        self.finish("", false, Output::write);
    }

    fn finish(&self, last: &str, marks: bool, write: impl Fn(&Output, Stream, &[u8])) {
        let mut held = self.lock();
        if std::mem::replace(&mut held.closed, true) {
            return;
        }
        push_line(&mut held.stderr, last.as_bytes(), !last.is_empty());
        for stream in [Stream::Stdout, Stream::Stderr] {
            let bytes = held.of(stream);
            push_line(bytes, SENTINEL.as_bytes(), marks);
            if !bytes.is_empty() {
                write(&self.output, stream, bytes);
            }
            *bytes = Vec::new();
        }
    }

    fn write(&self, stream: Stream, lines: &[u8]) {
        if !lines.is_empty() {
            self.output.write(stream, lines);
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
        self.close(None);
    }
}
