//! Progress reports of a deployment.

/// Step of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The server does not respond yet.
    Waiting {
        /// Reason.
        why: String,
    },
    /// The model's files are being fetched.
    Fetching {
        /// Source of the files.
        source: String,
    },
    /// The files have been fetched.
    Fetched {
        /// Bytes of all files.
        bytes: u64,
        /// Number of files.
        files: u64,
    },
    /// The files are being written into the model repository.
    Writing {
        /// Bytes written so far.
        written: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// The server loads the model.
    Loading,
    /// The server unloads the model.
    Unloading,
    /// A step failed: the repository and the server are restored to their previous state.
    RollingBack {
        /// Reason of the failure.
        why: String,
    },
}

/// Receiver of progress reports.
pub trait Progress: Send + Sync {
    /// Reports that a step has started or progressed.
    fn step(&self, step: &Step);
}

/// Ignores all reports.
impl Progress for () {
    fn step(&self, _: &Step) {}
}
