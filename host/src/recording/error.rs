//! Reasons why there is no recording, or none that can be replayed.

use std::io;
use std::path::{Path, PathBuf};

/// Error of a recording's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The folder holds something else, which is not replaced.
    #[error("{} is not replaced: {why}; name a new folder, or one with a recording", .folder.display())]
    Occupied {
        /// Folder.
        folder: PathBuf,
        /// What it is or holds.
        why: String,
    },
    /// The recording cannot be written or read.
    #[error("cannot {what} the recording {}", .folder.display())]
    Io {
        /// What was tried: `write` or `read`.
        what: &'static str,
        /// Folder.
        folder: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The activation exchanged more data than a recording may have.
    #[error(
        "the activation is not recorded: it exchanged more than the {limit} bytes of data that a \
            recording may have; raise the limit with --record-limit, or record a smaller run"
    )]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
    },
    /// The activation made more calls than a recording may have.
    #[error(
        "the activation is not recorded: it made more than the {limit} calls that a recording may \
            have; record a smaller run"
    )]
    TooManyCalls {
        /// Limit.
        limit: usize,
    },
    /// The folder is not a recording, or was damaged or changed.
    #[error("{} is no recording that can be replayed: {why}", .folder.display())]
    Damaged {
        /// Folder.
        folder: PathBuf,
        /// Defect.
        why: String,
    },
}

impl RecordingError {
    /// Returns a function for `map_err`: `what` is what was tried with `folder`.
    pub(super) fn io(what: &'static str, folder: &Path) -> impl FnOnce(io::Error) -> Self {
        let folder = folder.to_owned();
        move |source| Self::Io { what, folder, source }
    }

    pub(super) fn damaged(folder: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { folder: folder.to_owned(), why: why.into() }
    }
}
