//! Attacks on a host, and their maximum cost.
//!
//! A [`Victim`] is a `keynet-runtime` in which the guest `evil` is loaded, with the limits of a
//! test. A [`Case`] is one attack on it: the action of the guest, the error that it must receive,
//! and the memory that the process may use meanwhile. [`run`] runs the attacks of a table one after
//! another and reports all failures together, with figures.

pub mod bombs;
mod case;
mod http_server;
mod triton_server;
mod victim;

pub use bombs::Bomb;
pub use case::{Case, Expected, Failures, run, run_each};
pub use http_server::{HttpServer, Reply, endless};
pub use triton_server::{TritonAnswers, TritonServer, field};
pub use victim::{Delay, Ended, Victim, VictimSetup};

/// Memory of a process that its limits do not count, in MiB: its program (larger in a debug build),
/// the engine, one compiled component and threads' stacks, 17 to 30 MiB in all; and memory that the
/// allocator keeps for reuse, one arena for each thread.
pub const AT_REST: u64 = 64;

/// Memory of one request that no limit of an activation counts, in MiB: the request's body and
/// response while they are read and written.
pub const PER_REQUEST: u64 = 2;

/// Maximum additional delay, in milliseconds, of a small activation during an attack, compared with
/// one during as many compute-bound guests.
pub const DELAY: u64 = 50;
