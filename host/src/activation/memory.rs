//! Linear memories and tables in the memory budget.

use wasmtime::ResourceLimiter;

use crate::engine::{CORE_INSTANCES, MEMORIES, TABLES};
use keynet_base::budget::{MemoryBudget, Reservation};
use keynet_base::error::Result;

/// Size of a table's element in bytes.
const ELEMENT: u64 = size_of::<usize>() as u64;

/// Counter of the bytes of linear memories and tables, all together. wasmtime's own `StoreLimits`
/// has a limit for each of them.
#[derive(Debug)]
pub(super) struct WasmMemory {
    held: Reservation,
    grown: u64,
    refused: Option<String>,
    /// Maximum size in bytes of one linear memory on this machine.
    largest: u64,
}

impl WasmMemory {
    /// Creates a counter within `budget`, for linear memories of at most `largest` bytes each.
    pub(super) fn new(budget: &MemoryBudget, largest: u64) -> Result<Self> {
        Ok(Self { held: budget.reserve(0, "a linear memory")?, grown: 0, refused: None, largest })
    }

    /// Returns the reserved bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.held.bytes()
    }

    /// Returns the reason of the last refused growth; `None` if none was refused.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    fn grow(&mut self, bytes: u64, what: &str) -> bool {
        match self.held.resize(self.held.bytes().saturating_add(bytes), what) {
            Ok(()) => {
                self.grown = bytes;
                true
            }
            Err(refused) => {
                self.refused = Some(refused.message);
                false
            }
        }
    }

    /// Reverts the last growth, which was allowed but failed.
    fn undo(&mut self) {
        let without = self.held.bytes().saturating_sub(std::mem::take(&mut self.grown));
        // A smaller reservation cannot fail.
        let _ = self.held.resize(without, "");
    }
}

impl ResourceLimiter for WasmMemory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // `maximum` is the lower one of the guest's own limit and `largest`.
        if maximum.is_some_and(|maximum| desired > maximum && (maximum as u64) < self.largest) {
            return Ok(false);
        }
        if desired as u64 > self.largest {
            self.refused = Some(format!(
                "a linear memory of {desired} bytes does not fit: the address space leaves {} \
                    bytes for each (raise `ulimit -v`)",
                self.largest
            ));
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current) as u64, "a growth of a linear memory"))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(
            (desired.saturating_sub(current) as u64).saturating_mul(ELEMENT),
            "a growth of a table",
        ))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let budget = MemoryBudget::process(u64::MAX).activation(100);
        let mut memory = WasmMemory::new(&budget, 1000).unwrap();
        assert!(memory.memory_growing(0, 60, None).unwrap());
        assert!(!memory.memory_growing(0, 60, None).unwrap());
        assert!(memory.refused().unwrap().contains("KEYNET_MEMORY"));
        assert!(memory.table_growing(0, 5, None).unwrap());
        assert!(!memory.table_growing(5, 6, None).unwrap());
        assert_eq!(memory.bytes(), 100);
        drop(memory);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_memory_that_the_address_space_cannot_hold_is_refused_with_the_number() {
        let budget = MemoryBudget::process(u64::MAX).activation(10_000);
        let mut memory = WasmMemory::new(&budget, 1000).unwrap();
        assert!(!memory.memory_growing(0, 500, Some(400)).unwrap());
        assert_eq!(memory.refused(), None, "the guest's own limit");
        assert!(memory.memory_growing(0, 1000, Some(1000)).unwrap());
        assert!(!memory.memory_growing(1000, 1001, Some(1000)).unwrap());
        assert!(
            memory.refused().unwrap().contains("1000 bytes")
                && memory.refused().unwrap().contains("ulimit -v")
        );
        assert_eq!(memory.bytes(), 1000);
    }

    #[test]
    fn a_growth_that_failed_is_given_back_once() {
        let budget = MemoryBudget::process(u64::MAX).activation(100);
        let mut memory = WasmMemory::new(&budget, 1000).unwrap();
        assert!(memory.memory_growing(0, 60, None).unwrap());
        memory.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        memory.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert_eq!(budget.used(), 0);
    }
}
