//! Container images, made without a container engine.
//!
//! An image is a list of layers (gzipped tar files), a config (what is run, as whom, with which
//! variables) and a manifest that names them. A base holds `keynet-runtime` and the little of a
//! system that it needs ([`root`]); an action is one more layer on a base (`append`). An [`Image`]
//! is put together in memory and written straight to a registry or an OCI layout; layers of a base
//! are not fetched where the registry has them already.
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
pub use base::{BaseOptions, base, write_root};
pub use error::ImageError;

/// Labels of ours, in the config of an image.
pub mod label {
    /// The engine hash of the runtime in it: compiled code must have been made for the same.
    pub const ENGINE: &str = "io.keynet.inference.engine";
    /// The processors that its code is compiled for, as in `KEYNET_CPU`.
    pub const CPU: &str = "io.keynet.inference.cpu";
    /// The version of the runtime in it.
    pub const VERSION: &str = "io.keynet.inference.version";
    /// The digest of the action's component.
    pub const COMPONENT: &str = "io.keynet.inference.component";
}
