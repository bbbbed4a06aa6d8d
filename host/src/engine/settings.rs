//! How wasmtime is set up: what code may use, how it is compiled, and where instances live.
//!
//! Everything that shapes compiled code is in [`code`], so that the compiler's process and the host
//! agree about it: they say for which
//! [`Target`].

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

use super::address_space::{MemorySpace, PoolSize};
use super::{Cpu, Kept};

/// Linear memories and tables that one activation may have. A component takes a table for its own
/// pointers to functions and one for its imports or the destructors of its resources; an action
/// with a library component in it takes four.
pub(crate) const MEMORIES: u32 = 3;
pub(crate) const TABLES: u32 = 5;

/// Core instances that one activation may have: each shared library of a component is one. A Python
/// component needs 14, with numpy and Pillow 33. The pool only counts them; the memory of all of
/// them together is bounded by [`INSTANCE_BYTES`].
pub(crate) const CORE_INSTANCES: u32 = 40;
const TABLE_ELEMENTS: usize = 20_000;

/// Bytes that a table takes at most.
pub(super) const TABLE_BYTES: u64 = (TABLE_ELEMENTS * size_of::<usize>()) as u64;

/// Bytes that wasmtime itself holds for the instances of one activation, all together: nothing else
/// charges them.
const INSTANCE_BYTES: usize = 1 << 20;

/// The stack a guest may use, and that of the fiber it runs on, which host functions share.
const WASM_STACK: usize = 512 << 10;
pub(super) const FIBER_STACK: usize = 1 << 20;

/// Mappings that the rest of the process may need, and those of one activation's slot.
const OTHER_MAPPINGS: u32 = 5_000;
const MAPPINGS_PER_ACTIVATION: u32 = 6;

/// What code is compiled for where a baseline is named: the kind of system this binary was itself
/// compiled for.
const TRIPLE: &str = if cfg!(target_env = "musl") {
    "x86_64-unknown-linux-musl"
} else {
    "x86_64-unknown-linux-gnu"
};

/// What code is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The instructions that may be used.
    pub(super) cpu: Cpu,
    /// The address space of each linear memory, which decides where accesses are checked.
    pub(super) memory: MemorySpace,
}

impl Target {
    /// Of `cpu`, with linear memories that have all the address space there is.
    pub(super) fn full(cpu: Cpu) -> Self {
        Self { cpu, memory: MemorySpace::Full }
    }
}

/// What shapes compiled code.
fn code(target: Target) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if let Some(flags) = target.cpu.flags() {
        config.target(TRIPLE)?; // from here on no feature is taken from the processor
        for flag in flags {
            // SAFETY: the flags say which instructions may be used and nothing else; wasmtime maps
            // no code whose flags this processor does not have.
            #[expect(
                unsafe_code,
                reason = "wasmtime has no other way to name a processor's features"
            )]
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
        .memory_reservation(target.memory.reservation())
        .memory_guard_size(target.memory.guard())
        // names come from the name section, not from DWARF
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK);
    let off = WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::GC
        | WasmFeatures::STACK_SWITCHING;
    config.wasm_features(off, false);
    Ok(config)
}

/// For the compiler's process: no address space is set aside for instances.
pub(super) fn for_compiling(target: Target) -> wasmtime::Result<Config> {
    let mut config = code(target)?;
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Ok(config)
}

/// For running: instances live in a pool of `size`, whose slots keep `kept` from one activation to
/// the next.
pub(super) fn pooling(cpu: Cpu, size: PoolSize, kept: Kept) -> wasmtime::Result<Config> {
    let activations = size.activations;
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
        .max_memory_size(usize::try_from(size.memory.reservation())?)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES)
        .linear_memory_keep_resident(kept.memory)
        .table_keep_resident(kept.table)
        .pagemap_scan(Enabled::Auto);
    let mut config = code(Target { cpu, memory: size.memory })?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(config)
}

/// How many activations the system's limit on mappings leaves room for, at most `wanted` and at
/// least one.
pub(super) fn activations(wanted: u32) -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let room = limit.map_or(u32::MAX, |limit: u32| {
        limit.saturating_sub(OTHER_MAPPINGS) / MAPPINGS_PER_ACTIVATION
    });
    wanted.min(room).max(1)
}
