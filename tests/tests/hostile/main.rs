//! The hostile suite: guests, components, callers and servers that take more than their share, each
//! with the error that it gets, the most memory that the process may hold meanwhile, and what
//! others notice of it; the delays are in `hostile_delays`.
//!
//! What each limit counts, and which file shows it:
//!
//! | limit | counts | file |
//! |---|---|---|
//! | `KEYNET_MEMORY` | linear memories and tables of an activation, its tensors, objects, open handles, what it hands to the host and what the host hands to it, until the guest has it | `charges` |
//! | `KEYNET_PROCESS_MEMORY` | the same of all activations together, bodies of requests that are under way, and what stays mapped for the next activation | `charges`, `allocator`, `port` |
//! | `KEYNET_CALL_BYTES` | what one call hands to the host, as the host holds it | `charges` |
//! | `KEYNET_HANDLES` | tensors, objects, uploads and streams that are open; of uploads there are fewer | `charges`, `port` |
//! | caps without a setting | names, locations, URLs, etags, content types, cursors: 1 to 4 KiB; parameters of a request: 256, and 64 KiB of text | `charges` |
//! | the time of an activation | everything until its answer, also a reader of the logs that is slow | `port` |
//! | 256 KiB on a worker | parsing and checking of more happens where nobody else waits | `hostile_delays` |
//! | answers of servers | what is read of a body, before it is decoded | `servers` |
//! | 64 MiB and a few seconds of `describe` | what a component costs when it is loaded, with and without a pool of instances | `traps`, `allocator` |
//! | the text of an error | 200 characters of each part that is foreign | `traps`, `charges`, `servers` |
//!
//! Memory is the resident memory of the process at its peak (`VmHWM` of `/proc/PID/status`, set
//! back before each attack). It may be the limit and [`keynet_tests::hostile::AT_REST`], which says
//! what that is for. A small activation beside an attack may take
//! [`keynet_tests::hostile::DELAY`] milliseconds longer than beside as many guests that compute.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod allocator;
mod charges;
mod policy;
mod port;
mod servers;
mod small;
mod traps;
