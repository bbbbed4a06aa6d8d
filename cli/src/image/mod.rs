//! Container images, built without a container engine.
//!
//! An image is a list of layers (gzipped tar files), a config (its command, user and variables) and
//! a manifest that names them. A base holds `keynet-runtime` and the few system files that it needs
//! ([`root`]); an action is one more layer on a base (`append`). An [`Image`] is assembled in
//! memory and written straight to a registry or an OCI layout; layers of a base are not fetched if
//! the registry already has them.
//!
//! The same inputs make the same image, byte by byte: entries are sorted, owners and modes are
//! fixed, times are `SOURCE_DATE_EPOCH` or the first second of 1970.

mod append;
mod assembly;
mod base;
mod config;
mod elf;
mod error;
mod layer;
mod libraries;
mod root;
mod time;
mod tree;

pub use append::{Action, Appended, append};
pub use assembly::Image;
pub use base::{BaseOptions, base, node, write_root};
pub use error::ImageError;

/// This project's labels in the config of an image.
pub mod label {
    /// Engine hash of the runtime in the image; compiled code must have the same hash.
    pub const ENGINE: &str = "io.keynet.inference.engine";
    /// Processors that the runtime compiles for, as in `KEYNET_CPU`.
    pub const CPU: &str = "io.keynet.inference.cpu";
    /// Version of the runtime in the image.
    pub const VERSION: &str = "io.keynet.inference.version";
    /// Digest of the action's component.
    pub const COMPONENT: &str = "io.keynet.inference.component";
}
