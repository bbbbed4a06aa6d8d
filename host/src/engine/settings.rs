//! Settings of wasmtime: permitted features, compilation, and the allocation of instances.
//!
//! Every setting that compiled code depends on is in [`code`], so that the compiler's process and
//! the host use the same ones for the same [`Target`].

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

use super::Kept;
use super::address_space::{MemorySpace, PoolSize};
use keynet_base::cpu::Cpu;

/// Linear memories and tables that one activation may have. A component takes a table for its own
/// pointers to functions and one for its imports or the destructors of its resources; an action
/// with a library component in it takes four.
pub(crate) const MEMORIES: u32 = 3;
pub(crate) const TABLES: u32 = 5;

/// Maximum number of core instances of one activation: each shared library of a component is one. A
/// Python component needs 14, with numpy and Pillow 33. The pool only counts them; the memory of
/// all of them together is bounded by [`INSTANCE_BYTES`].
pub(crate) const CORE_INSTANCES: u32 = 40;
const TABLE_ELEMENTS: usize = 20_000;

/// Maximum size of a table in bytes.
pub(super) const TABLE_BYTES: u64 = (TABLE_ELEMENTS * size_of::<usize>()) as u64;

/// Maximum bytes that wasmtime itself holds for the instances of one activation, all together: no
/// other limit counts them.
const INSTANCE_BYTES: usize = 1 << 20;

/// Size of the stack of a guest, and of the fiber it runs on, which host functions share.
const WASM_STACK: usize = 512 << 10;
pub(super) const FIBER_STACK: usize = 1 << 20;

/// Number of mappings for the rest of the process, and for one activation's slot.
const OTHER_MAPPINGS: u32 = 5_000;
const MAPPINGS_PER_ACTIVATION: u32 = 6;

/// Target triple if a baseline of processors is named: the kind of system that this binary was
/// compiled for.
const TRIPLE: &str = if cfg!(target_env = "musl") {
    "x86_64-unknown-linux-musl"
} else {
    "x86_64-unknown-linux-gnu"
};

/// Target that code is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// Processors whose instructions may be used.
    pub(super) cpu: Cpu,
    /// Address space of each linear memory, which decides which accesses are checked.
    pub(super) memory: MemorySpace,
}

impl Target {
    /// Returns the target of `cpu`, with linear memories that have the full address space.
    pub(super) fn full(cpu: Cpu) -> Self {
        Self { cpu, memory: MemorySpace::Full }
    }
}

/// Returns the settings that compiled code depends on.
fn code(target: Target) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if let Some(flags) = target.cpu.flags() {
        config.target(TRIPLE)?; // from here on, no feature of this machine's processor is used
        for flag in flags {
            // SAFETY: the flags only name instructions that may be used; wasmtime maps no code
            // whose flags this processor lacks.
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
        // Names come from the name section, not from DWARF, and positions are not shown. Both tables
        // below would be a seventh of the code that is kept, read and authenticated; registering
        // unwinding tables takes time for each function.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false)
        .native_unwind_info(false)
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

/// Returns the settings of the compiler's process, which reserves no address space for instances.
pub(super) fn for_compiling(target: Target) -> wasmtime::Result<Config> {
    let mut config = code(target)?;
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Ok(config)
}

/// Returns the settings for running: instances live in a pool of `size`, whose slots keep `kept`
/// from one activation to the next.
pub(super) fn pooling(cpu: Cpu, size: PoolSize, kept: Kept) -> wasmtime::Result<Config> {
    let instances = size.instances();
    let mut pool = PoolingAllocationConfig::default();
    pool.total_stacks(instances)
        .total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
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

/// Returns the number of activations that the system's limit on mappings permits, at most `wanted`
/// and at least one.
pub(super) fn activations(wanted: u32) -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let room = limit.map_or(u32::MAX, |limit: u32| {
        limit.saturating_sub(OTHER_MAPPINGS) / MAPPINGS_PER_ACTIVATION
    });
    wanted.min(room).max(1)
}
