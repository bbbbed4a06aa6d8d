//! Hostile suite: guests, components, callers and servers that use more than their share, each with
//! the error that it receives, the process's peak memory, and the effect on others; the delays are
//! in `hostile_delays`.
//!
//! Resources that each limit counts, and the file that tests it:
//!
//! | limit | counts | file |
//! |---|---|---|
//! | `KEYNET_MEMORY` | linear memories and tables of an activation, its tensors, objects, open handles, data that it passes to the host, and data that the host passes to it, until the guest has it | `charges` |
//! | `KEYNET_PROCESS_MEMORY` | the same for all activations together, request bodies in progress, and memory that stays mapped for the next activation | `charges`, `allocator`, `port` |
//! | `KEYNET_CALL_BYTES` | data that one call passes to the host, as the host holds it | `charges` |
//! | `KEYNET_HANDLES` | open tensors, objects, uploads and streams; uploads have a lower limit | `charges`, `port` |
//! | caps without a setting | names, locations, URLs, etags, content types, cursors: 1 to 4 KiB; parameters of a request: 256, and 64 KiB of text | `charges` |
//! | time limit of an activation | everything until its response, including a slow reader of the logs | `port` |
//! | 256 KiB on a worker | larger inputs are parsed and checked outside the async workers | `hostile_delays` |
//! | responses of servers | bytes that are read of a body, before it is decoded | `servers` |
//! | 64 MiB and a few seconds for `describe` | cost of loading a component, with and without a pool of instances | `traps`, `allocator` |
//! | text of an error | 200 characters of each foreign part | `traps`, `charges`, `servers` |
//!
//! Memory is the peak resident memory of the process (`VmHWM` of `/proc/PID/status`, reset before
//! each attack). It may reach the limit plus [`keynet_tests::hostile::AT_REST`], whose
//! documentation lists the parts. A small activation during an attack may take
//! [`keynet_tests::hostile::DELAY`] milliseconds longer than during as many compute-bound guests.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod allocator;
mod charges;
mod policy;
mod port;
mod servers;
mod small;
mod traps;
