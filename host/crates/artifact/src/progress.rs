//! What a caller may show while bytes move.

use std::time::Duration;

use super::store::Blob;

/// Told what happens, from whichever thread it happens on; it must not block. Every method does
/// nothing unless it is written.
pub trait Progress: Send + Sync {
    /// Something about one blob.
    fn blob(&self, blob: &Blob, event: BlobEvent) {
        let _ = (blob, event);
    }

    /// A request is tried again after `wait`.
    fn retrying(&self, reason: &str, wait: Duration) {
        let _ = (reason, wait);
    }
}

/// What happens to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobEvent {
    /// It is there already: nothing is sent.
    Exists,
    /// The registry took it from another repository: nothing is sent.
    Mounted,
    /// An upload or download goes on where an earlier one ended, after so many bytes.
    Resumed(u64),
    /// So many bytes of it have been moved by now, from its beginning.
    At(u64),
    /// All of it is there and has the right digest.
    Done,
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {}
