//! The two streams of the process, without the standard library's buffers.
//!
//! Lines are written at once while the reader keeps up. When it does not, they go into a bounded
//! queue that a thread per stream writes from, so that neither a worker nor a response waits for
//! the reader. An activation that writes more than the queue holds waits for room
//! ([`Output::room`]), within its own time; output that still finds no room is dropped, and a later
//! line reports the number of bytes.

mod pipe;
mod queue;

use std::time::Duration;

use keynet_base::crowd::Crowd;
use pipe::Pipe;

use crate::activation::Stream;

/// The two streams.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Pipe,
    stderr: Pipe,
    /// Activations that end.
    crowd: Crowd,
}

impl Output {
    /// Returns the process's own streams.
    pub(super) fn of_the_process() -> Self {
        Self {
            stdout: Pipe::of_the_process(Stream::Stdout),
            stderr: Pipe::of_the_process(Stream::Stderr),
            crowd: Crowd::default(),
        }
    }

    fn pipe(&self, stream: Stream) -> &Pipe {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// Writes `lines`, which end with a newline and are never split. Does not block. The marks at
    /// the end of an activation's logs are written later even if the rest is dropped.
    pub(super) fn write(&self, stream: Stream, lines: &[u8]) {
        self.pipe(stream).write(lines);
    }

    /// Takes `lines`, as [`Output::write`] does, to be written with those of other activations.
    pub(super) fn gather(&self, stream: Stream, lines: &[u8]) {
        self.pipe(stream).gather(lines);
    }

    /// Writes what was gathered. An activation that ends while others do lets them come first: a
    /// write wakes the stream's reader, which costs more than the lines. Also writes if the caller
    /// does not wait for the end.
    pub(super) async fn write_gathered(&self) {
        struct Written<'a>(&'a Output);
        impl Drop for Written<'_> {
            fn drop(&mut self) {
                self.0.stdout.write_gathered();
                self.0.stderr.write_gathered();
            }
        }
        let _written = Written(self);
        if self.crowd.join() {
            tokio::task::yield_now().await;
        }
    }

    /// Reports whether an activation may write more without waiting.
    pub(super) fn has_room(&self, stream: Stream) -> bool {
        self.pipe(stream).has_room()
    }

    /// Waits for room, at most as long as the patience with a reader that stands still.
    pub(super) async fn room(&self, stream: Stream) {
        self.pipe(stream).room().await;
    }

    /// Waits until everything is written, at most for `patience`: the process is about to end.
    pub(super) async fn drained(&self, patience: Duration) {
        let both = async { tokio::join!(self.stdout.drained(), self.stderr.drained()) };
        let _ = tokio::time::timeout(patience, both).await;
    }
}
