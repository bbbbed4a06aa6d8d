//! What an activation ran, and the time and memory that it took, as one line.

use std::time::Duration;

use keynet_base::digest::Digest;
use serde::{Serialize, Serializer};

use crate::capabilities::ModelUse;

/// Prefix of a receipt; no line of a guest starts with it.
pub const PREFIX: &str = "keynet-receipt: ";

/// What one activation ran, and what it took. Times are in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Digest of the component.
    #[serde(serialize_with = "digest", skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// Time from the request to the result.
    pub total_ns: u64,
    /// Time waited for a slot among the running activations.
    pub queued_ns: u64,
    /// Time to create the store and the instance, or to give a spare to the activation.
    pub instantiate_ns: u64,
    /// `true` if the instance was a spare, made before the request.
    pub spare: bool,
    /// The guest's own share of the rest, without waiting for models or the store.
    pub guest_ns: u64,
    /// Time to check the result.
    pub answer_ns: u64,
    /// Time that the activation had a processor, for the guest's code and the host's part of its
    /// calls; it does not wait then.
    pub computing_ns: u64,
    /// Time waited for models.
    pub inference_ns: u64,
    /// Number of inference calls.
    pub inference_calls: u64,
    /// Engine of the models: `triton`, `onnxruntime` or `rten`; absent without inference calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_engine: Option<&'static str>,
    /// Models that ran, as the engine reports them, in order of their first run; at most
    /// [`limits::MODELS_USED`](keynet_base::limits::MODELS_USED).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelUse>,
    /// Bytes of tensors that were sent to models.
    pub inference_sent: u64,
    /// Bytes of tensors that models returned.
    pub inference_received: u64,
    /// Time waited for objects.
    pub storage_ns: u64,
    /// Number of storage calls.
    pub storage_calls: u64,
    /// Bytes of objects that were written.
    pub storage_written: u64,
    /// Bytes of objects that were read.
    pub storage_read: u64,
    /// Peak of the memory that was held in the sandbox and in the host.
    pub memory_peak: u64,
    /// Size of linear memories and tables at the end.
    pub memory_wasm: u64,
    /// Bytes written to standard output and error.
    pub log_bytes: u64,
    /// `true` if some of these bytes were dropped.
    pub logs_cut: bool,
}

fn digest<S: Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => serializer.collect_str(digest),
        None => serializer.serialize_none(),
    }
}

impl Receipt {
    /// Returns the line, without its newline.
    pub fn line(&self) -> String {
        // Serialising a struct of numbers and names cannot fail.
        format!("{PREFIX}{}", serde_json::to_string(self).unwrap_or_default())
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
