//! The two streams of the process, without the standard library's buffers.
//!
//! Lines are written at once while the reader keeps up. When it does not, they go into a bounded
//! queue that a thread per stream writes from, so that neither a worker nor a response waits for
//! the reader. An activation that writes more than the queue holds waits for room
//! ([`Output::room`]), within its own time; output that still finds no room is dropped, and a later
//! line reports the number of bytes.
//!
//! The end of an activation's logs is written when its [`Ending`] is dropped, after the response:
//! OpenWhisk reads it until two seconds after the last line, and a caller waits neither for the
//! write nor for the stream's reader, which it wakes.

mod pipe;
mod queue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// `true` while a task is about to write the ends of activations.
    ending: AtomicBool,
}

impl Output {
    /// Returns the process's own streams.
    pub(super) fn of_the_process() -> Self {
        Self::new(Pipe::of_the_process(Stream::Stdout), Pipe::of_the_process(Stream::Stderr))
    }

    fn new(stdout: Pipe, stderr: Pipe) -> Self {
        Self { stdout, stderr, crowd: Crowd::default(), ending: AtomicBool::new(false) }
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

    /// Lets activations that end at the same time do so first, and reports whether some do. Their
    /// responses then follow each other: each wakes its client, which takes a processor from
    /// activations that still compute.
    pub(super) async fn others_end(&self) -> bool {
        self.crowd.others_first().await
    }

    /// Takes the last lines of an activation on each stream, to be written `with_others` if some end
    /// at the same time.
    pub(super) fn end(self: &Arc<Self>, stdout: &[u8], stderr: &[u8], with_others: bool) -> Ending {
        self.stdout.gather(stdout);
        self.stderr.gather(stderr);
        Ending { output: Arc::clone(self), with_others }
    }

    fn write_gathered(&self) {
        self.ending.store(false, Ordering::Release);
        self.stdout.write_gathered();
        self.stderr.write_gathered();
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

/// Duty to write the last lines of an activation, done on drop.
#[derive(Debug)]
pub(super) struct Ending {
    output: Arc<Output>,
    with_others: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.with_others {
            return self.output.write_gathered();
        }
        if self.output.ending.swap(true, Ordering::AcqRel) {
            return; // the task below writes these lines too
        }
        let all = Self { output: Arc::clone(&self.output), with_others: false };
        // Without a runtime, or with one that shuts down, they are written when `all` is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::task::yield_now().await;
                drop(all);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn ends_of_several_activations_are_written_together_in_order() {
        let ((mut stdout, out), (mut stderr, err)) = (pipe::tests::pipe(), pipe::tests::pipe());
        let output = Arc::new(Output::new(out, err));
        drop([output.end(b"a\n", b"b\n", true), output.end(b"d\n", b"", true)]);
        assert!(output.ending.load(Ordering::Relaxed), "a task is about to write");
        output.write(Stream::Stderr, b"c\n");
        let mut text = [0; 4];
        stderr.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"b\nc\n");
        while output.ending.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        stdout.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"a\nd\n");
    }

    #[test]
    fn without_a_runtime_ends_are_written_at_once() {
        let ((mut stdout, out), (_stderr, err)) = (pipe::tests::pipe(), pipe::tests::pipe());
        let output = Arc::new(Output::new(out, err));
        let mut text = [0; 2];
        for (line, with_others) in [(b"a\n", false), (b"b\n", true)] {
            drop(output.end(line, b"", with_others));
            stdout.read_exact(&mut text).unwrap();
            assert_eq!(&text, line);
        }
    }
}
