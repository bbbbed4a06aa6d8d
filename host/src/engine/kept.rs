//! Memory that the pool keeps resident from one activation to the next: zeroing pages is cheaper
//! than mapping them again.
//!
//! Every slot of the pool may keep that much at the same time, also while nothing runs, so the
//! total is subtracted from the memory that activations may hold.

use wasmtime::PoolingAllocationConfig;

use super::settings::{MEMORIES, TABLES};

/// Divisor of the activations' memory that gives the total to keep.
const PART: u64 = 8;

/// Maximum bytes of one linear memory that are kept: a picture as a tensor. Only if the kernel
/// reports the written pages (Linux 6.7 and later); otherwise all of it would be zeroed each time.
const MOST: u64 = 8 << 20;
const MOST_ZEROED: u64 = 256 << 10;

/// Maximum bytes of one table that are kept: nearly its maximum size.
const MOST_OF_TABLE: u64 = 128 << 10;

/// Bytes that one slot of the pool keeps. Whole pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Bytes of a linear memory.
    pub(super) memory: usize,
    /// Bytes of a table.
    pub(super) table: usize,
}

impl Kept {
    /// Divides a part of `memory` bytes, which `activations` may hold at the same time, among their
    /// slots: three quarters of it for linear memories.
    pub(super) fn share(activations: u32, memory: u64) -> Self {
        let most =
            if PoolingAllocationConfig::is_pagemap_scan_available() { MOST } else { MOST_ZEROED };
        let quarter = memory / PART / u64::from(activations.max(1)) / 4;
        Self {
            memory: pages((quarter * 3 / u64::from(MEMORIES)).min(most)),
            table: pages((quarter / u64::from(TABLES)).min(MOST_OF_TABLE)),
        }
    }

    /// Returns the maximum of bytes that a pool for `activations` keeps.
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
        assert!(kept.memory >= 40 << 10 && kept.table >= 8 << 10, "{kept:?}");
        assert!(kept.memory as u64 <= MOST);
    }
}
