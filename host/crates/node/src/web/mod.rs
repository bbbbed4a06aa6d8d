//! Web actions: `/api/v1/web/NAMESPACE/PACKAGE/NAME[.EXTENSION][/PATH]`, as OpenWhisk serves them
//! (its `WebActions.scala` and `docs/webactions.md`, and the media types and the content
//! negotiation of Pekko HTTP, on which it is built).
//!
//! Everything here is a pure function of a request, an action's annotations and a result. Finding
//! the action, running it, limits of sizes and the transaction's id in an error are the caller's:
//!
//! 1. [`WebTarget::parse`] names the action;
//! 2. [`WebAnnotations::read`] reports whether it is a web action;
//! 3. [`cors_headers`] belong to every response from here on, those of errors included;
//! 4. [`WebAnnotations::answer_options`] responds to a preflight request;
//! 5. [`WebAnnotations::authorize`] and [`arguments`] precede the activation;
//! 6. [`respond`] converts its result.
//!
//! Results are not projected by the rest of the path: OpenWhisk removed that in 2019, and the path
//! is an argument only.

mod accept;
mod annotations;
mod arguments;
mod connection_headers;
mod cors;
mod error;
mod http_result;
mod json;
mod media_type;
mod query;
mod response;
mod target;
#[cfg(test)]
mod tests;

pub use accept::Accept;
pub use annotations::WebAnnotations;
pub use arguments::{WebRequest, arguments};
pub use cors::cors_headers;
pub use error::WebError;
pub use query::lenient_pairs;
pub use response::{Outcome, WebResponse, respond};
pub use target::{Extension, WebTarget, check_method};
