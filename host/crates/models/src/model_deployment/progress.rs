//! What is told while a model is deployed.

/// A step of changing what a server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The server does not answer yet.
    Waiting {
        /// Why not.
        why: String,
    },
    /// The model's files are brought here.
    Fetching {
        /// Where they come from.
        source: String,
    },
    /// They are here.
    Fetched {
        /// Bytes of all files.
        bytes: u64,
        /// Files.
        files: u64,
    },
    /// They are written into the model repository.
    Writing {
        /// Bytes that are there.
        written: u64,
        /// Bytes of all files.
        total: u64,
    },
    /// The server loads the model.
    Loading,
    /// The server lets go of the model.
    Unloading,
    /// It went wrong: the repository and the server get back what they had.
    RollingBack {
        /// What went wrong.
        why: String,
    },
}

/// Who is told.
pub trait Progress: Send + Sync {
    /// A step has begun, or went on.
    fn step(&self, step: &Step);
}

/// Tells nobody.
impl Progress for () {
    fn step(&self, _: &Step) {}
}
