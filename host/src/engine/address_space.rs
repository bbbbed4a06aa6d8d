//! Address space of the sandboxes.
//!
//! Instances always live in a pool, so that actions have the same limits on every machine. If the
//! address space is limited (`ulimit -v`, as in some containers and batch systems) the pool
//! shrinks: first to fewer activations, then to less address space for each linear memory, whose
//! code then checks every access instead of relying on guard pages.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use rustix::process::{Resource, getrlimit};

use super::settings::{FIBER_STACK, MEMORIES, TABLE_BYTES, TABLES};

/// Address space that is reserved for each linear memory. Compiled code depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemorySpace {
    /// The whole range of 32 bits: accesses need no checks.
    Full,
    /// 256 MiB.
    Small,
    /// 64 MiB.
    Smallest,
}

impl MemorySpace {
    const ALL: [Self; 3] = [Self::Full, Self::Small, Self::Smallest];

    /// Returns the maximum size of a linear memory in bytes.
    pub(super) fn reservation(self) -> u64 {
        match self {
            Self::Full => 4 << 30,
            Self::Small => 256 << 20,
            Self::Smallest => 64 << 20,
        }
    }

    /// Returns the bytes after each linear memory that are never mapped.
    pub(super) fn guard(self) -> u64 {
        match self {
            Self::Full => 32 << 20,
            Self::Small | Self::Smallest => 1 << 20,
        }
    }
}

/// Writes its reservation in MiB, the form for the compiler's process.
impl fmt::Display for MemorySpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reservation() >> 20)
    }
}

impl FromStr for MemorySpace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|space| space.to_string() == text).ok_or(())
    }
}

/// Size of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PoolSize {
    /// Number of concurrent activations.
    pub(super) activations: u32,
    /// Number of instances beside theirs: made before they are asked for, or being dropped.
    pub(super) spares: u32,
    /// Address space of each of their memories.
    pub(super) memory: MemorySpace,
}

/// Number of activations (or the wanted number, if lower) below which smaller memories are better
/// than fewer activations.
const FEW: u32 = 4;

/// Maximum number of spares, of all actions together.
const MOST_SPARES: u32 = 32;

/// Address space that is reserved for the rest of the process (threads, heap, models, compiled
/// code): a quarter, within these bounds.
const LEFT_FREE: RangeInclusive<u64> = 192 << 20..=2 << 30;

impl PoolSize {
    /// Returns the sizes to try for `wanted` activations, the best first, if `room` bytes of
    /// address space are left; `room` is `None` on a machine without a limit, which may still
    /// refuse a size.
    pub(super) fn candidates(wanted: u32, room: Option<u64>) -> Vec<Self> {
        let mut sizes = Vec::new();
        for memory in MemorySpace::ALL {
            let least = if memory == MemorySpace::Smallest { 1 } else { wanted.min(FEW) };
            let mut activations = room.map_or(wanted, |room| wanted.min(fitting(memory, room)));
            while activations >= least {
                sizes.push(Self { activations, spares: 0, memory });
                activations /= 2;
            }
        }
        let last = Self { activations: 1, spares: 0, memory: MemorySpace::Smallest };
        if sizes.last() != Some(&last) {
            sizes.push(last); // the operating system decides
        }
        // Spares only with all that was wanted, and if there is room for each of them.
        let fit = room.map_or(u32::MAX, |room| fitting(MemorySpace::Full, room));
        let spares = wanted.min(MOST_SPARES);
        match sizes.first() {
            Some(best)
                if best.activations == wanted
                    && best.memory == MemorySpace::Full
                    && fit.saturating_sub(wanted) >= spares =>
            {
                sizes.insert(0, Self { spares, ..*best });
            }
            _ => {}
        }
        sizes
    }

    /// Returns the number of instances in the pool.
    pub(super) fn instances(self) -> u32 {
        self.activations.saturating_add(self.spares)
    }
}

/// Returns the address space of one activation's slots.
fn slots(memory: MemorySpace) -> u64 {
    u64::from(MEMORIES) * (memory.reservation() + memory.guard())
        + u64::from(TABLES) * TABLE_BYTES
        + FIBER_STACK as u64
}

/// Returns the number of activations that fit into `room` bytes beside the rest of the process.
fn fitting(memory: MemorySpace, room: u64) -> u32 {
    let left = room
        .saturating_sub((room / 4).clamp(*LEFT_FREE.start(), *LEFT_FREE.end()))
        .saturating_sub(memory.guard());
    u32::try_from(left / slots(memory)).unwrap_or(u32::MAX)
}

/// Returns the limit on this process's address space in bytes (`ulimit -v`), if there is one.
pub(super) fn limit() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// Returns the bytes of address space that this process may still map; `None` without a limit.
pub(super) fn left() -> Option<u64> {
    limit().map(|limit| limit.saturating_sub(mapped()))
}

/// Returns the bytes of address space that this process has mapped.
pub(super) fn mapped() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn first(wanted: u32, room: Option<u64>) -> (u32, MemorySpace) {
        let size = PoolSize::candidates(wanted, room)[0];
        (size.activations, size.memory)
    }

    #[test]
    fn a_pool_shrinks_with_the_address_space() {
        assert_eq!(first(128, None), (128, MemorySpace::Full));
        assert_eq!(first(128, Some(4096 * GIB)), (128, MemorySpace::Full));
        assert_eq!(first(1, Some(100 * GIB)), (1, MemorySpace::Full));
        let spares = |wanted, room| PoolSize::candidates(wanted, room)[0].spares;
        assert_eq!((spares(128, None), spares(1, None)), (MOST_SPARES, 1));
        assert_eq!((spares(1, Some(100 * GIB)), spares(1, Some(16 * GIB))), (1, 0));
        let (activations, memory) = first(128, Some(100 * GIB));
        assert!((FEW..12).contains(&activations) && memory == MemorySpace::Full, "{activations}");
        let (activations, memory) = first(128, Some(40 * GIB));
        assert!((16..128).contains(&activations) && memory == MemorySpace::Small, "{activations}");
        assert_eq!(first(1, Some(8 * GIB)), (1, MemorySpace::Small));
        assert_eq!(first(1, Some(GIB / 2)), (1, MemorySpace::Smallest));
        assert_eq!(first(128, Some(0)), (1, MemorySpace::Smallest));
    }

    #[test]
    fn a_pool_that_is_refused_shrinks_before_it_is_given_up() {
        for room in [None, Some(100 * GIB), Some(2 * GIB), Some(0)] {
            let sizes = PoolSize::candidates(128, room);
            assert_eq!(
                sizes.last(),
                Some(&PoolSize { activations: 1, spares: 0, memory: MemorySpace::Smallest })
            );
            let space = |size: &PoolSize| u64::from(size.instances()) * slots(size.memory);
            let per_memory = sizes.chunk_by(|a, b| a.memory == b.memory);
            per_memory.for_each(|sizes| {
                assert!(sizes.is_sorted_by(|a, b| space(a) > space(b)), "{sizes:?}")
            });
            if let Some(room) = room.filter(|room| *room > GIB) {
                assert!(sizes.iter().all(|size| space(size) < room), "{sizes:?}");
            }
        }
    }

    #[test]
    fn the_compilers_process_understands_what_it_is_told() {
        for space in MemorySpace::ALL {
            assert_eq!(space.to_string().parse(), Ok(space));
        }
        assert_eq!("17".parse::<MemorySpace>(), Err(()));
    }
}
