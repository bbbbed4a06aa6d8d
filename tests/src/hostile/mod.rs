//! Attacks on a host, and what each may cost.
//!
//! A [`Victim`] is a `keynet-runtime` in which the guest `evil` is loaded, with the limits of a
//! test. A [`Case`] is one attack on it: what the guest does, what it must be told, and how much
//! memory the process may hold meanwhile. [`run`] makes the attacks of a table one after another
//! and reports all that went wrong at once, with figures.

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

/// What a process holds beside what its limits count, in MiB: its program (a build for debugging is
/// larger), the engine, one compiled component and threads' stacks, 17 to 30 MiB in all; and what
/// the allocator keeps for its next use, an arena for each thread.
pub const AT_REST: u64 = 64;

/// What one request holds that no limit of an activation counts, in MiB: the request's body and
/// answer as they are read and written.
pub const PER_REQUEST: u64 = 2;

/// How much longer a small activation may take beside an attack than beside as many guests that
/// compute, in milliseconds.
pub const DELAY: u64 = 50;
