//! Time and memory of an activation, as one line.

use std::time::Duration;

use serde::Serialize;

/// Prefix of a receipt; no line of a guest starts with it.
pub const PREFIX: &str = "keynet-receipt: ";

/// Time and memory of one activation. Times are in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
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
    /// Time waited for models.
    pub inference_ns: u64,
    /// Number of inference calls.
    pub inference_calls: u64,
    /// Engine of the models: `triton`, `onnxruntime` or `rten`; absent without inference calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_engine: Option<&'static str>,
    /// Time waited for objects.
    pub storage_ns: u64,
    /// Number of storage calls.
    pub storage_calls: u64,
    /// Peak of the memory that was held in the sandbox and in the host.
    pub memory_peak: u64,
    /// Size of linear memories and tables at the end.
    pub memory_wasm: u64,
    /// Bytes written to standard output and error.
    pub log_bytes: u64,
    /// `true` if some of these bytes were dropped.
    pub logs_cut: bool,
}

impl Receipt {
    /// Returns the line, without its newline.
    pub fn line(&self) -> String {
        // Serialising a flat struct of numbers and names cannot fail.
        format!("{PREFIX}{}", serde_json::to_string(self).unwrap_or_default())
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
