//! `keynet-runtime`: what an OpenWhisk action container runs. See `keynet_host::openwhisk`.

use std::process::ExitCode;

fn main() -> ExitCode {
    keynet_host::engine::run_if_compiler();
    keynet_host::container::main(std::env::args_os().skip(1))
}
