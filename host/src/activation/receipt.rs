//! What an activation cost, as one line.

use std::time::Duration;

use serde::Serialize;

/// A line that starts so is a receipt: no line of a guest does.
pub const PREFIX: &str = "keynet-receipt: ";

/// Where one activation's time and memory went. Times are in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// From the request to the result.
    pub total_ns: u64,
    /// Waiting for a place among the activations that run.
    pub queued_ns: u64,
    /// Making the store and the instance.
    pub instantiate_ns: u64,
    /// The guest's own share of the rest: neither waiting for a model nor for the store.
    pub guest_ns: u64,
    /// Waiting for models.
    pub inference_ns: u64,
    /// Calls that asked a model.
    pub inference_calls: u64,
    /// Engine of the models: `triton`, `onnxruntime` or `rten`; left out where none was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_engine: Option<&'static str>,
    /// Waiting for objects.
    pub storage_ns: u64,
    /// Calls that asked the store.
    pub storage_calls: u64,
    /// The most memory held at once, in the sandbox and in the host.
    pub memory_peak: u64,
    /// Linear memories and tables at the end.
    pub memory_wasm: u64,
    /// Bytes written to standard output and error.
    pub log_bytes: u64,
    /// Whether some of them were dropped.
    pub logs_cut: bool,
}

impl Receipt {
    /// The line, without its newline.
    pub fn line(&self) -> String {
        // Serialising a flat struct of numbers and names cannot fail.
        format!("{PREFIX}{}", serde_json::to_string(self).unwrap_or_default())
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
