//! The process of an OpenWhisk action container: `POST /init` once, `POST /run` any number of
//! times, logs on its two streams.
//!
//! The responses follow OpenWhisk's sources; `docs/runtime.md` has them as a table for people. In
//! short:
//!
//! * The **port** is open a few milliseconds after the start; wasmtime is set up meanwhile. `init`
//!   creates the host, since the action's owner may configure it, and loads the action; `run`
//!   activates it. A container holds one action.
//! * An **action's failure** of any kind is an application error, status 200: its instance is
//!   dropped and the container is ready for the next activation. Any other status makes OpenWhisk
//!   destroy the container.
//! * The **logs** of an activation end with one line on each stream, on every exit path (`window`).
//!   The host's own messages never go there: `KEYNET_DIAGNOSTICS` names a file for them.
//! * **Time** is counted from the deadline that each request brings; no timer runs between
//!   requests, so a container may be frozen for any time.
//! * During shutdown, it rejects new requests with 503 and lets running activations finish
//!   (`drain`).

mod answer;
mod arguments;
mod caller_trace;
mod deadline;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod init;
mod init_request;
mod lifecycle;
mod output;
mod own_servers;
mod request_json;
mod run;
mod run_request;
mod server;
mod telemetry;
mod variables;
mod window;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use arguments::{Command, USAGE};

/// Runs `keynet-runtime` with `arguments`, which exclude the program's name.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let environment = environment();
    let command = match Command::read(arguments, environment.get("PORT").map(String::as_str)) {
        Ok(command) => command,
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match command {
        Command::Serve { port } => match server::start(port, environment) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        Command::Health { port } => health(port),
        Command::Version => {
            println!("keynet-runtime {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Help => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
    }
}

/// Returns the container's environment. Leaves out variables that are not UTF-8: none of the known
/// ones can be.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Checks that a runtime listens on `port` of this machine: a probe for images without a shell.
fn health(port: u16) -> ExitCode {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: nothing answers on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}
