//! Progress events of transfers.

use std::time::Duration;

use super::store::Blob;

/// Receiver of progress events. Methods are called on any thread and must not block. The default
/// implementations do nothing.
pub trait Progress: Send + Sync {
    /// Called for an event of one blob.
    fn blob(&self, blob: &Blob, event: BlobEvent) {
        let _ = (blob, event);
    }

    /// Called before a request is retried after `wait`.
    fn retrying(&self, reason: &str, wait: Duration) {
        let _ = (reason, wait);
    }
}

/// Event of a blob's transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobEvent {
    /// The blob exists already: nothing is sent.
    Exists,
    /// The registry mounted it from another repository: nothing is sent.
    Mounted,
    /// An upload or download continues after this many bytes of an earlier attempt.
    Resumed(u64),
    /// This many bytes have been transferred so far, counted from the beginning of the blob.
    At(u64),
    /// The blob is complete and has the expected digest.
    Done,
}

/// Receiver that ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {}
