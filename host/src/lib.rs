//! Runs inference actions: WebAssembly components in a sandbox, with access to models and objects.
//!
//! ```no_run
//! use keynet_base::Config;
//! use keynet_host::Host;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::new(&Config::from_environment()?)?;
//! let action = host.load(&std::fs::read("action.wasm")?).await?;
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
pub mod backends;
pub mod capabilities;
pub mod code;
pub mod container;
pub mod engine;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod host;
pub mod http;
pub mod policy;
pub mod recording;
pub mod telemetry;

pub use action::{Action, ActionError, Compiled, LoadOptions, Tenant};
pub use activation::{
    ActivationRequest, Failure, GuestEnvironment, LogSink, Outcome, Receipt, ResultText, Sandbox,
    Stream, Surroundings, TenantShare, TimeLimit, Timeline,
};
pub use backends::Backends;
pub use capabilities::Recording;
pub use capabilities::user_input::Parameters;
pub use host::{Host, HostBuilder, HostError};
