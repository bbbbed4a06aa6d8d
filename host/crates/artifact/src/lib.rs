//! Artifacts: actions as they are stored in OCI registries and in local OCI image layouts.
//!
//! An [`ArtifactRef`] names an artifact, [`push`] and [`pull`] transfer it, [`look`] reads its
//! manifest and config without its layer, [`sign()`] and [`verify()`] create and check signatures.
//! All of them work on a [`Store`]: manifests and blobs of any kind, in a registry or a folder.
//!
//! This crate does not run or compile components, read files of the command line, or print.
//! [`RegistryOptions`] configures the access to registries; events are reported to [`Progress`].

mod auth_file;
mod bundle;
pub mod capability_request;
mod component;
pub mod credential;
pub mod docker;
pub mod error;
pub mod format;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod key;
mod layout;
mod login;
mod nulls;
pub mod options;
pub mod progress;
mod pull;
mod push;
pub mod reference;
mod referrers;
mod registry;
pub mod sign;
pub mod store;

pub use capability_request::{CapabilityRequest, CapabilityRequestError};
pub use credential::{Anonymous, Credential, CredentialSource, FirstOf, Given};
pub use docker::DockerConfig;
pub use error::ArtifactError;
pub use format::{About, Interfaces, WasmConfig};
pub use login::check_login;
pub use nulls::without_nulls;
pub use options::RegistryOptions;
pub use progress::{BlobEvent, Progress, Quiet};
pub use pull::{Look, Pulled, look, pull, pull_to_file};
pub use push::{Pushed, digest, push, tag, version};
pub use reference::{ArtifactRef, LayoutRef, RegistryRef, Target};
pub use sign::{PrivateKey, PublicKey, sign, verify};
pub use store::{Blob, Content, RawManifest, Store};
