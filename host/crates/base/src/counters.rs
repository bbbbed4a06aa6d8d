//! Counts of what this process did since it started, for its metrics.
//!
//! They are static, since the rooms that count know nothing of metrics, and a process has one set
//! of them. Nothing but metrics may depend on a value.

use std::sync::atomic::{AtomicU64, Ordering};

/// Count that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Returns the value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Number of things that exist now.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts one more, until the returned value is dropped.
    pub fn enter(&'static self) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self)
    }

    /// Returns the value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of the things that a [`Level`] counts.
#[derive(Debug)]
pub struct Entered(&'static Level);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Components that were compiled.
pub static COMPONENTS_COMPILED: Count = Count::new();
/// Components whose code was in the cache.
pub static COMPONENTS_CACHED: Count = Count::new();
/// Components whose code was in the image.
pub static COMPONENTS_OF_IMAGE: Count = Count::new();
/// Artifacts that were pulled from registries.
pub static ARTIFACTS_PULLED: Count = Count::new();
/// Bytes of their components.
pub static ARTIFACT_BYTES: Count = Count::new();
/// Connections to Triton that were opened and not closed.
pub static TRITON_CONNECTIONS: Level = Level::new();
/// Calls of Triton that have not ended.
pub static TRITON_CALLS: Level = Level::new();
/// Groups of small requests that were handed to a connection to Triton together.
pub static TRITON_GROUPS: Count = Count::new();
/// Requests in these groups.
pub static TRITON_GROUPED: Count = Count::new();
/// Spans that a collector accepted.
pub static SPANS_EXPORTED: Count = Count::new();
/// Spans that were dropped: the queue was full, or no collector accepted them.
pub static SPANS_DROPPED: Count = Count::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_falls_when_what_it_counts_is_dropped() {
        static OPEN: Level = Level::new();
        let (one, two) = (OPEN.enter(), OPEN.enter());
        assert_eq!(OPEN.get(), 2);
        drop(one);
        assert_eq!(OPEN.get(), 1);
        drop(two);
        let count = Count::new();
        count.add(3);
        assert_eq!((OPEN.get(), count.get()), (0, 3));
    }
}
