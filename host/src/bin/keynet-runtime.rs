//! `keynet-runtime`: the process of an OpenWhisk action container. See `keynet_host::container`.

use std::process::ExitCode;

fn main() -> ExitCode {
    keynet_host::engine::run_if_compiler();
    keynet_host::container::main(std::env::args_os().skip(1))
}
