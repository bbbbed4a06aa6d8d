//! HTTP/1.1 for hostile clients: limits on connections, on the time that a client may be silent,
//! and on the bodies of requests; a shutdown that lets running requests end.
//!
//! The container and the node both serve with it.

mod connection;
mod drain;
mod intake;
mod server;

pub use connection::{UntilWritten, connections};
pub use drain::{Drain, StopSignals};
pub use intake::{Intake, IntakeError, IntakeShare, RequestBody};
pub use server::{HttpResponse, Server, listen_at, spawn};
