//! Shared code of the fuzz targets: [`target!`], and a limit on the memory that one input may take.

use std::alloc::System;
#[cfg(not(feature = "libfuzzer-sys"))]
use std::sync::Once;

use cap::Cap;
#[cfg(feature = "libfuzzer-sys")]
pub use libfuzzer_sys;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Memory that any input may take, in bytes.
const BASE: usize = 32 << 20;

/// Calls `target` with `data`, and aborts the process if it allocates more than [`BASE`] and
/// `factor` times the input's length.
pub fn within_memory(target: fn(&[u8]), factor: usize, data: &[u8]) {
    let limit = ALLOCATOR.allocated() + BASE + data.len() * factor;
    // The limit is never below the current allocation, so this does not fail.
    let _ = ALLOCATOR.set_limit(limit);
    target(data);
    let _ = ALLOCATOR.set_limit(usize::MAX);
}

/// Calls `target` with the bytes from libFuzzer.
///
/// # Safety
/// `data` points to `size` bytes.
#[cfg(not(feature = "libfuzzer-sys"))]
pub unsafe fn one_input(target: fn(&[u8]), factor: usize, data: *const u8, size: usize) {
    // A panic aborts the process at once: unwinding would take seconds.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            std::process::abort();
        }));
    });
    // SAFETY: guaranteed by the caller; libFuzzer passes null for an empty input.
    let data = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } };
    within_memory(target, factor, data);
}

/// Defines the fuzz target of the parser `NAME` in [`keynet_host::fuzzing`], which may take 100
/// times the memory of its input, or the given factor.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        $crate::target!($name, memory = 100);
    };
    ($name:ident, memory = $factor:expr) => {
        #[cfg(feature = "libfuzzer-sys")]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::within_memory(
            keynet_host::fuzzing::$name,
            $factor,
            data
        ));

        #[cfg(not(feature = "libfuzzer-sys"))]
        #[unsafe(no_mangle)]
        extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
            // SAFETY: the contract of libFuzzer's entry point.
            unsafe { $crate::one_input(keynet_host::fuzzing::$name, $factor, data, size) };
            0
        }
    };
}
