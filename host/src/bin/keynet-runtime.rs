//! `keynet-runtime`: the process of an OpenWhisk action container. See `keynet_host::container`.

use std::process::ExitCode;

/// A twentieth faster under load than that of the C library (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keynet_host::engine::run_if_compiler();
    keynet_host::container::main(std::env::args_os().skip(1))
}
