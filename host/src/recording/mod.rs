//! Recordings: what the imports of one activation answered, kept in a folder, so that the action
//! runs again without any server.
//!
//! A [`Recorder`] stands between an activation and its backends and keeps each call with its
//! answer. A [`Replay`] answers the calls of another activation from such a folder, and knows where
//! they differ. Both do so as [`Surroundings`](crate::activation::Surroundings): the capabilities
//! check grants, limits and memory as always, and know of neither.
//!
//! A folder has `recording.json`, one line for each call, and `payloads/`, the large data by
//! digest. It holds what the action read and wrote, and no credentials: signatures in URLs are
//! masked with stars of the same length, and texts are redacted.
//!
//! What is the same in a replay: parameters, limits, answers, the readings of clocks, random
//! numbers, new keys. What is not: the time that the guest computes and sleeps, and what depends on
//! the processor, such as the bits of a NaN.

mod answers;
mod calls;
mod comparison;
mod document;
mod error;
mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod machine;
mod payload;
mod recorded_models;
mod recorded_objects;
mod recorder;
mod replay;
mod replayed_models;
mod replayed_objects;
mod veil;

pub use document::RecordedOutcome;
pub use error::RecordingError;
pub use recorder::{Recorded, Recorder, Summary};
pub use replay::{Replay, ReplayReport};

/// Version of the format.
const VERSION: u32 = 1;

/// Calls of one recording.
const CALLS: usize = 100_000;

/// Largest `recording.json` in bytes.
const DOCUMENT: u64 = 64 << 20;
