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
pub mod capabilities;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
pub mod openwhisk;
pub mod policy;

pub use action::{Action, ActionError, LoadOptions};
pub use activation::{ActivationRequest, Failure, LogSink, Outcome, Receipt, ResultText, Stream};
pub use capabilities::user_input::Parameters;
pub use host::{Backends, Host, HostError};
