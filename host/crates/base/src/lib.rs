//! Foundation of the host's other crates; it depends on none of them.
//!
//! | room | its one job |
//! |---|---|
//! | [`error`], [`error_chain`] | the error of every capability and backend, as in the contract; causes |
//! | [`budget`], [`limits`] | memory and time of one activation; maximum sizes of input from outside |
//! | [`config`] | every setting, read once from its origin into a type |
//! | [`patterns`], [`granted`] | names that an operator grants and an action requests |
//! | [`outbound`], [`pem`], [`retry`], [`tls`] | HTTP clients with one address policy; pauses between attempts |
//! | [`redaction`], [`quote`] | foreign text in logs and messages: secrets removed, short, on one line |
//! | [`digest`], [`open_file`], [`new_file`], [`file_cache`], [`state`] | files: digests, open files, atomic writes, a cache with a size limit, keys |
//! | [`allowed_hosts`] | requests that a server on a developer's machine accepts |
//! | [`offload`], [`blocking`], [`apart`], [`crowd`], [`scheduling`] | long synchronous work, kept off the async workers; blocking work of one owner on few threads; work that does not wait for its caller's polls; tasks that do the same together; threads that make way for others |
//! | [`cpu`] | the processors that components are compiled for |
//! | [`trace_context`], [`call_observer`], [`counters`] | traces across servers; what backends report; counts for metrics |

pub mod allowed_hosts;
pub mod apart;
pub mod blocking;
pub mod budget;
pub mod call_observer;
pub mod config;
pub mod counters;
pub mod cpu;
pub mod crowd;
pub mod digest;
pub mod error;
pub mod error_chain;
pub mod file_cache;
#[doc(hidden)]
pub mod fuzzing;
pub mod granted;
pub mod limits;
pub mod new_file;
pub mod offload;
pub mod open_file;
pub mod outbound;
pub mod patterns;
pub mod pem;
pub mod quote;
pub mod redaction;
pub mod retry;
pub mod scheduling;
pub mod state;
pub mod tls;
pub mod trace_context;

pub use allowed_hosts::AllowedHosts;
pub use config::Config;
pub use digest::{Digest, DigestError};
pub use error::{Error, ErrorKind};
pub use file_cache::FileCache;
pub use new_file::NewFile;
pub use open_file::OpenFile;
