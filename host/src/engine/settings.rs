//! How wasmtime is set up: what code may use, how it is compiled, and where instances live.
//!
//! Everything that shapes compiled code is in [`code`], so that the compiler's process and the host agree about it.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails, WasmFeatures};

use super::Cpu;

/// Linear memories, tables and core instances that one activation may have. A Python component needs 14 core instances.
pub(super) const MEMORIES: u32 = 3;
const TABLES: u32 = 3;
const TABLE_ELEMENTS: usize = 20_000;
const CORE_INSTANCES: u32 = 16;
const CORE_INSTANCE_BYTES: usize = 1 << 20;

/// Bytes of a memory or table that stay mapped from one activation to the next: zeroing them is cheaper than mapping them again.
const KEEP_RESIDENT: usize = 256 << 10;

/// As much of a memory stays at most, where the kernel says which of its pages were written (Linux 6.7 and later): a picture as a tensor.
/// All slots together keep no more than a part of the memory that activations may hold.
const KEEP_RESIDENT_MOST: usize = 8 << 20;
const PART_KEPT: u64 = 4;

/// The stack a guest may use, and that of the fiber it runs on, which host functions share.
const WASM_STACK: usize = 512 << 10;
const FIBER_STACK: usize = 1 << 20;

/// Mappings that the rest of the process may need, and those of one activation's slot.
const OTHER_MAPPINGS: u32 = 5_000;
const MAPPINGS_PER_ACTIVATION: u32 = 6;

/// What code is compiled for where a baseline is named: the kind of system this binary was itself compiled for.
const TARGET: &str = if cfg!(target_env = "musl") { "x86_64-unknown-linux-musl" } else { "x86_64-unknown-linux-gnu" };

/// What shapes compiled code.
fn code(cpu: Cpu) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if let Some(flags) = cpu.flags() {
        config.target(TARGET)?; // from here on no feature is taken from the processor
        for flag in flags {
            // SAFETY: the flags say which instructions may be used and nothing else; wasmtime maps no code whose flags this processor
            // does not have.
            #[expect(unsafe_code, reason = "wasmtime has no other way to name a processor's features")]
            unsafe {
                config.cranelift_flag_enable(flag)
            };
        }
    }
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable) // names come from the name section, not from DWARF
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK);
    let off = WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::GC
        | WasmFeatures::STACK_SWITCHING;
    config.wasm_features(off, false);
    Ok(config)
}

/// For the compiler's process: no address space is set aside for instances.
pub(super) fn for_compiling(cpu: Cpu) -> wasmtime::Result<Config> {
    let mut config = code(cpu)?;
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Ok(config)
}

/// Bytes of a memory that stay with its slot, where `activations` at once may hold `memory` bytes.
fn kept(activations: u32, memory: u64) -> usize {
    if !PoolingAllocationConfig::is_pagemap_scan_available() {
        return KEEP_RESIDENT; // all of it would be zeroed each time, whether it was written or not
    }
    let share = memory / PART_KEPT / u64::from(activations.max(1));
    usize::try_from(share).unwrap_or(usize::MAX).clamp(KEEP_RESIDENT, KEEP_RESIDENT_MOST)
}

/// Instances live in slots set aside for `activations` at once, which together may hold `memory` bytes.
pub(super) fn pooling(activations: u32, memory: u64, cpu: Cpu) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_stacks(activations)
        .total_component_instances(activations)
        .total_core_instances(activations.saturating_mul(CORE_INSTANCES))
        .total_memories(activations.saturating_mul(MEMORIES))
        .total_tables(activations.saturating_mul(TABLES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_core_instance_size(CORE_INSTANCE_BYTES)
        .linear_memory_keep_resident(kept(activations, memory))
        .table_keep_resident(KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    let mut config = code(cpu)?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}

/// Instances are mapped one by one, where a pool's address space is refused.
pub(super) fn on_demand(cpu: Cpu) -> wasmtime::Result<Config> {
    for_compiling(cpu)
}

/// How many activations the system's limit on mappings leaves room for, at most `wanted` and at least one.
pub(super) fn activations(wanted: u32) -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok().and_then(|text| text.trim().parse().ok());
    let room = limit.map_or(u32::MAX, |limit: u32| limit.saturating_sub(OTHER_MAPPINGS) / MAPPINGS_PER_ACTIVATION);
    wanted.min(room).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_mapped_is_a_part_of_what_activations_may_hold() {
        let most = if PoolingAllocationConfig::is_pagemap_scan_available() { KEEP_RESIDENT_MOST } else { KEEP_RESIDENT };
        assert_eq!(kept(1, 4 << 30), most);
        assert_eq!(kept(128, 4 << 30), most);
        assert_eq!(kept(128, 64 << 20), KEEP_RESIDENT);
        for (activations, memory) in [(1, 128 << 20), (16, 256 << 20), (128, 1 << 30), (1000, 4 << 30)] {
            assert!(u64::from(activations) * kept(activations, memory) as u64 <= memory / 4, "{activations} of {memory}");
        }
    }
}
