//! The imports of `keynet:inference`, one file per interface: each implements the generated `Host`
//! traits on a borrowed view of its own context, and nothing else.
//!
//! A capability validates the guest's input (names, shapes, locations), checks the action's grants,
//! reserves memory, and calls a backend. It knows nothing of HTTP, and backends know nothing of
//! wasmtime.

mod calls;
mod granted_listing;
mod held;
mod meter;
mod parameters;
mod request_parameters;
pub mod storage;
#[cfg(test)]
mod tests;
pub mod triton_predict;
pub mod user_input;

use std::sync::Arc;

use wasmtime::component::ResourceTableError;

pub use calls::{Call, ModelUse, Recording};
pub use held::Held;
pub use meter::{Meter, Spent};

use keynet_base::budget::{CallBudget, MemoryBudget};
use keynet_base::error::{Error, ErrorKind, Result};
use keynet_base::limits;

/// Bindings that wasmtime generates from `wit/`, in one private place.
pub(crate) mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications)]

    wasmtime::component::bindgen!({
        path: "../wit",
        world: "action",
        imports: {
            "keynet:inference/triton-predict.[static]tensor.create": async | trappable,
            "keynet:inference/triton-predict.predict": async | trappable,
            "keynet:inference/triton-predict.predict-many": async | trappable,
            "keynet:inference/triton-predict.predict-stream": async | trappable,
            "keynet:inference/triton-predict.metadata": async | trappable,
            "keynet:inference/triton-predict.[method]prediction-stream.next": async | trappable,
            "keynet:inference/storage.[method]object.read": async | trappable,
            "keynet:inference/storage.[method]object.to-tensor": async | trappable,
            "keynet:inference/storage.[method]upload.write": async | trappable,
            "keynet:inference/storage.[method]upload.finish": async | trappable,
            "keynet:inference/storage.[method]upload.abort": async | trappable,
            "keynet:inference/storage.get": async | trappable,
            "keynet:inference/storage.open": async | trappable,
            "keynet:inference/storage.head": async | trappable,
            "keynet:inference/storage.put": async | trappable,
            "keynet:inference/storage.put-tensor": async | trappable,
            "keynet:inference/storage.create-upload": async | trappable,
            "keynet:inference/storage.presign": async | trappable,
            "keynet:inference/storage.presign-put": async | trappable,
            "keynet:inference/storage.list": async | trappable,
            "keynet:inference/storage.delete": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "keynet:inference/triton-predict.tensor": super::triton_predict::OpenTensor,
            "keynet:inference/triton-predict.prediction-stream": super::triton_predict::OpenStream,
            "keynet:inference/storage.object": super::storage::OpenObject,
            "keynet:inference/storage.upload": super::storage::OpenUpload,
        },
        trappable_error_type: { "keynet:inference/types.error" => super::CallError },
    });
}

use bindings::keynet::inference::types;

/// Failure of a guest's call: an error that the guest can match on, or a trap.
#[derive(Debug)]
pub enum CallError {
    /// Error that is returned to the guest.
    Answer(Error),
    /// Trap that ends the guest.
    Trap(wasmtime::Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl From<wasmtime::Error> for CallError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for CallError {
    fn from(error: ResourceTableError) -> Self {
        match error {
            ResourceTableError::Full => Self::Answer(Error::too_large(
                "as many tensors, objects, uploads and streams are open as this action may have: \
                    drop some, or raise KEYNET_HANDLES",
            )),
            other => Self::Trap(other.into()),
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Invalid => types::ErrorKind::Invalid,
            ErrorKind::NotFound => types::ErrorKind::NotFound,
            ErrorKind::Denied => types::ErrorKind::Denied,
            ErrorKind::PreconditionFailed => types::ErrorKind::PreconditionFailed,
            ErrorKind::TooLarge => types::ErrorKind::TooLarge,
            ErrorKind::Timeout => types::ErrorKind::Timeout,
            ErrorKind::Unavailable => types::ErrorKind::Unavailable,
            ErrorKind::Internal => types::ErrorKind::Internal,
        };
        Self { kind, message: limits::cut(error.message, limits::MESSAGE_TO_GUEST) }
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let kind = match error.kind {
            types::ErrorKind::Invalid => ErrorKind::Invalid,
            types::ErrorKind::NotFound => ErrorKind::NotFound,
            types::ErrorKind::Denied => ErrorKind::Denied,
            types::ErrorKind::PreconditionFailed => ErrorKind::PreconditionFailed,
            types::ErrorKind::TooLarge => ErrorKind::TooLarge,
            types::ErrorKind::Timeout => ErrorKind::Timeout,
            types::ErrorKind::Unavailable => ErrorKind::Unavailable,
            types::ErrorKind::Internal => ErrorKind::Internal,
        };
        Self { kind, message: limits::cut(error.message, limits::MESSAGE_OF_GUEST) }
    }
}

/// Converts a call's error for the guest, or returns the trap. The views of all capabilities use
/// it.
fn to_guest(error: CallError) -> wasmtime::Result<types::Error> {
    match error {
        CallError::Answer(error) => Ok(error.into()),
        CallError::Trap(trap) => Err(trap),
    }
}

impl types::Host for storage::StorageView<'_> {
    fn convert_error(&mut self, error: CallError) -> wasmtime::Result<types::Error> {
        to_guest(error)
    }
}

impl types::Host for triton_predict::TritonPredictView<'_> {
    fn convert_error(&mut self, error: CallError) -> wasmtime::Result<types::Error> {
        to_guest(error)
    }
}

/// A backend, or the error why there is none, which an action gets when it calls.
pub type Backend<T> = Result<Arc<T>, Error>;

/// State that every capability of an activation shares: its memory, its deadline, and the counters
/// of its calls.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Memory and time for its calls.
    pub budget: CallBudget,
    /// Counters of its calls.
    pub meter: Meter,
}

impl CallContext {
    /// Returns the memory of the activation.
    pub fn memory(&self) -> &MemoryBudget {
        &self.budget.memory
    }

    /// Reserves the memory of a copy of `bytes`, which the current call lowers into the guest,
    /// until the guest's next call.
    ///
    /// # Errors
    /// `too-large`: the memory is not available.
    pub(crate) fn lend(&self, bytes: usize, what: &str) -> Result<()> {
        self.meter.lend(self.memory().reserve(bytes as u64, what)?);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn with_memory(bytes: u64, meter: Meter) -> Self {
        let memory = MemoryBudget::process(u64::MAX).activation(bytes);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        Self { budget: CallBudget { memory, deadline }, meter }
    }
}
