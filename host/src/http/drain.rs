//! Shutdown: new requests are rejected, running activations may finish.
//!
//! Kubernetes sends SIGTERM and, some time later, SIGKILL. In between, new requests get status 503,
//! which makes OpenWhisk send them to another container; running activations have `KEYNET_GRACE` to
//! end and get a response even if that is not enough.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// State of the shutdown.
#[derive(Debug)]
pub struct Drain {
    begun: AtomicBool,
    cut_off: watch::Sender<bool>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// Returns the state before a shutdown.
    pub fn new() -> Self {
        Self { begun: AtomicBool::new(false), cut_off: watch::Sender::new(false) }
    }

    /// Begins the shutdown: no new work is started from now on.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Reports whether the shutdown has begun.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Cuts off all running work.
    pub fn cut_off(&self) {
        self.cut_off.send_replace(true);
    }

    /// Returns the result of `work`; `None` if it is cut off first. Work that is cut off is not polled
    /// again.
    pub async fn or_cut_off<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut cut_off = self.cut_off.subscribe();
        let mut work = pin!(work);
        let work = poll_fn(|context| {
            let is_cut_off = *self.cut_off.borrow();
            if is_cut_off { Poll::Ready(None) } else { work.as_mut().poll(context).map(Some) }
        });
        tokio::select! {
            biased;
            done = work => done,
            _ = cut_off.wait_for(|cut_off| *cut_off) => None,
        }
    }
}

/// Signals that ask the container to stop. The first process of a container ignores them unless it
/// catches them.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Starts to catch the signals.
    ///
    /// # Errors
    /// The operating system refuses the handlers.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_does_not_end_is_cut_off() {
        let drain = Drain::new();
        assert_eq!(drain.or_cut_off(async { 1 }).await, Some(1));
        let (ended, ()) =
            tokio::join!(drain.or_cut_off(std::future::pending::<()>()), async { drain.cut_off() });
        assert_eq!(ended, None);
        assert_eq!(
            drain.or_cut_off(std::future::pending::<()>()).await,
            None,
            "also what begins later"
        );
        let polled = drain.or_cut_off(async { panic!("polled after it was cut off") });
        assert_eq!(polled.await, None::<()>);
    }
}
