//! Runs inference actions: WebAssembly components in a sandbox, with models and objects at hand.
//!
//! ```no_run
//! use std::sync::Arc;
//! use keynet_host::{Action, Config, Host};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Arc::new(Host::new(&Config::from_environment()?)?);
//! let action = Action::load(host, &std::fs::read("action.wasm")?).await?;
//! println!("{}: {}", action.description().name, action.description().description);
//! # Ok(())
//! # }
//! ```
//!
//! Three lifetimes are kept apart: a [`Host`] lives as long as the process, an [`Action`] as long
//! as its component is loaded, an activation for one run. Data flows one way: action → activation →
//! capability → backend.
//!
//! A binary that loads actions must call [`engine::run_if_compiler`] first in `main`: components
//! are compiled in a child process of the same binary.

pub mod action;
pub mod activation;
mod address;
mod allowed_hosts;
pub mod artifact;
pub mod budget;
pub mod capabilities;
pub mod config;
pub mod deployment;
mod digest;
pub mod engine;
pub mod error;
mod file_cache;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
pub mod inference;
pub mod limits;
pub mod model_registry;
mod new_file;
pub mod object_storage;
mod offload;
pub mod openwhisk;
pub mod outbound;
pub mod policy;
pub mod quote;
pub mod redaction;
pub mod state;
pub mod tls;

pub use action::{Action, ActionError, LoadOptions};
pub use activation::{ActivationRequest, Failure, LogSink, Outcome, Receipt, ResultText, Stream};
pub use allowed_hosts::AllowedHosts;
pub use capabilities::user_input::Parameters;
pub use config::Config;
pub use digest::{Digest, DigestError};
pub use error::{Error, ErrorKind};
pub use file_cache::FileCache;
pub use host::{Backends, Host, HostError};
pub use new_file::NewFile;
