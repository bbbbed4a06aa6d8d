//! The Keynet platform: signing in, and publishing a function in ten steps.
//!
//! [`client`] speaks its HTTP API and tells its failures apart; [`publish()`] is the order of
//! things. What goes to the platform's registry is [`upload`]'s affair.

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
