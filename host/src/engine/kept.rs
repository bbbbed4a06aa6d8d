//! What the pool keeps resident from one activation to the next: zeroing pages is cheaper than
//! mapping them again.
//!
//! Every slot of the pool may keep that much at once, also while nothing runs, so all of them
//! together are taken off the memory that activations may hold.

use wasmtime::PoolingAllocationConfig;

use super::settings::{MEMORIES, TABLES};

/// The part of the activations' memory that is kept.
const PART: u64 = 8;

/// The most of one linear memory that is kept: a picture as a tensor. Only where the kernel tells
/// which pages were written (Linux 6.7 and later); elsewhere all of it would be zeroed each time.
const MOST: u64 = 8 << 20;
const MOST_ZEROED: u64 = 256 << 10;

/// The most of one table that is kept: nearly all that it can have.
const MOST_OF_TABLE: u64 = 128 << 10;

/// Bytes that stay with one slot of the pool. Whole pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Of a linear memory.
    pub(super) memory: usize,
    /// Of a table.
    pub(super) table: usize,
}

impl Kept {
    /// Divides a part of `memory` bytes, which `activations` at once may hold, among their slots:
    /// three quarters of it to linear memories.
    pub(super) fn share(activations: u32, memory: u64) -> Self {
        let most =
            if PoolingAllocationConfig::is_pagemap_scan_available() { MOST } else { MOST_ZEROED };
        let quarter = memory / PART / u64::from(activations.max(1)) / 4;
        Self {
            memory: pages((quarter * 3 / u64::from(MEMORIES)).min(most)),
            table: pages((quarter / u64::from(TABLES)).min(MOST_OF_TABLE)),
        }
    }

    /// Returns the bytes that a pool for `activations` keeps at most.
    pub(super) fn total(self, activations: u32) -> u64 {
        let memories = u64::from(MEMORIES).saturating_mul(self.memory as u64);
        let tables = u64::from(TABLES).saturating_mul(self.table as u64);
        u64::from(activations).saturating_mul(memories + tables)
    }
}

/// Rounds `bytes` down to whole pages.
fn pages(bytes: u64) -> usize {
    let page = rustix::param::page_size();
    usize::try_from(bytes).unwrap_or(usize::MAX) / page * page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_slots_together_keep_a_part_of_what_activations_may_hold() {
        for activations in [1, 2, 16, 128, 1000, 10_000] {
            for memory in [0, 16 << 20, 200 << 20, 512 << 20, 4 << 30, 1 << 40] {
                let kept = Kept::share(activations, memory);
                assert!(
                    kept.total(activations) <= memory / PART,
                    "{activations} of {memory}: {kept:?}"
                );
            }
        }
    }

    #[test]
    fn slots_keep_what_small_actions_write() {
        let kept = Kept::share(128, 4 << 30);
        assert!(
            kept.memory >= MOST_ZEROED as usize && kept.table == MOST_OF_TABLE as usize,
            "{kept:?}"
        );
        let kept = Kept::share(128, 200 << 20);
        assert!(kept.memory >= 40 << 10 && kept.table >= 12 << 10, "{kept:?}");
        assert!(kept.memory as u64 <= MOST);
    }
}
