//! The two streams of the process, past the standard library's buffers.
//!
//! Lines are written at once while the reader keeps up. When it does not, they go into a bounded
//! queue that a thread of the stream's own writes from, so that neither a worker nor an answer
//! waits for the reader. An activation that writes more than the queue holds waits for room
//! ([`Output::room`]), within its own time; what still finds no room is dropped, and a later line
//! says how many bytes were.

mod pipe;
mod queue;

use std::time::Duration;

use pipe::Pipe;

use crate::activation::Stream;

/// The two streams.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Pipe,
    stderr: Pipe,
}

impl Output {
    /// The process's own.
    pub(super) fn of_the_process() -> Self {
        Self {
            stdout: Pipe::of_the_process(Stream::Stdout),
            stderr: Pipe::of_the_process(Stream::Stderr),
        }
    }

    fn pipe(&self, stream: Stream) -> &Pipe {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// Writes `lines`, which end with a newline and are never torn. Does not block. `ends` if the
    /// last line is the mark at the end of an activation's logs: it is written later even if the
    /// rest is dropped.
    pub(super) fn write(&self, stream: Stream, lines: &[u8], ends: bool) {
        self.pipe(stream).write(lines, ends);
    }

    /// Whether an activation may write more without waiting.
    pub(super) fn has_room(&self, stream: Stream) -> bool {
        self.pipe(stream).has_room()
    }

    /// Waits for room, at most as long as a reader that takes nothing is waited for.
    pub(super) async fn room(&self, stream: Stream) {
        self.pipe(stream).room().await;
    }

    /// Waits until everything is written, at most for `patience`: the process is about to end.
    pub(super) async fn drained(&self, patience: Duration) {
        let both = async { tokio::join!(self.stdout.drained(), self.stderr.drained()) };
        let _ = tokio::time::timeout(patience, both).await;
    }
}
