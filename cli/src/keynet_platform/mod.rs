//! The Keynet platform: signing in, and publishing a function in ten steps.
//!
//! [`client`] implements its HTTP API and classifies its failures; [`publish()`] runs the steps in
//! order. [`upload`] writes to the Keynet platform's registry.

mod client;
mod error;
mod progress;
mod publish;
mod server;
mod sign_in;
mod steps;
mod upload;

pub use error::{PlatformError, PublishError};
pub use progress::PublishProgress;
pub use publish::{Function, Publication, publish};
pub use server::ServerUrl;
pub use sign_in::sign_in;
pub use upload::{Upload, Uploaded};
