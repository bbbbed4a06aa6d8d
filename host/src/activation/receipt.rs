//! What an activation ran, and the time and memory that it took, as one line.

use std::borrow::Cow;
use std::time::Duration;

use keynet_base::digest::Digest;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::capabilities::ModelUse;

/// Prefix of a receipt; no line of a guest starts with it.
pub const PREFIX: &str = "keynet-receipt: ";

/// What one activation ran, and what it took. Times are in nanoseconds, sizes in bytes.
///
/// JSON leaves out what is absent. Binary formats without names of fields cannot: they have all
/// fields in this order, which a node's stored records depend on. A new field needs a new format of
/// these records (`FORMAT` in `keynet-node`'s `invocation/facts.rs`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// Digest of the component.
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
    pub inference_engine: Option<Cow<'static, str>>,
    /// Models that ran, as the engine reports them, in order of their first run; at most
    /// [`limits::MODELS_USED`](keynet_base::limits::MODELS_USED).
    #[serde(default)]
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

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            component,
            total_ns,
            queued_ns,
            instantiate_ns,
            spare,
            guest_ns,
            answer_ns,
            computing_ns,
            inference_ns,
            inference_calls,
            inference_engine,
            models,
            inference_sent,
            inference_received,
            storage_ns,
            storage_calls,
            storage_written,
            storage_read,
            memory_peak,
            memory_wasm,
            log_bytes,
            logs_cut,
        } = self;
        let all = !serializer.is_human_readable();
        let mut fields = serializer.serialize_struct("Receipt", 22)?;
        if all || component.is_some() {
            fields.serialize_field("component", component)?;
        }
        fields.serialize_field("total_ns", total_ns)?;
        fields.serialize_field("queued_ns", queued_ns)?;
        fields.serialize_field("instantiate_ns", instantiate_ns)?;
        fields.serialize_field("spare", spare)?;
        fields.serialize_field("guest_ns", guest_ns)?;
        fields.serialize_field("answer_ns", answer_ns)?;
        fields.serialize_field("computing_ns", computing_ns)?;
        fields.serialize_field("inference_ns", inference_ns)?;
        fields.serialize_field("inference_calls", inference_calls)?;
        if all || inference_engine.is_some() {
            fields.serialize_field("inference_engine", inference_engine)?;
        }
        if all || !models.is_empty() {
            fields.serialize_field("models", models)?;
        }
        fields.serialize_field("inference_sent", inference_sent)?;
        fields.serialize_field("inference_received", inference_received)?;
        fields.serialize_field("storage_ns", storage_ns)?;
        fields.serialize_field("storage_calls", storage_calls)?;
        fields.serialize_field("storage_written", storage_written)?;
        fields.serialize_field("storage_read", storage_read)?;
        fields.serialize_field("memory_peak", memory_peak)?;
        fields.serialize_field("memory_wasm", memory_wasm)?;
        fields.serialize_field("log_bytes", log_bytes)?;
        fields.serialize_field("logs_cut", logs_cut)?;
        fields.end()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_receipt_leaves_out_what_is_absent() {
        let receipt = Receipt { total_ns: 5, spare: true, log_bytes: 7, ..Receipt::default() };
        let line = r#"keynet-receipt: {"total_ns":5,"queued_ns":0,"instantiate_ns":0,"spare":true,"guest_ns":0,"answer_ns":0,"computing_ns":0,"inference_ns":0,"inference_calls":0,"inference_sent":0,"inference_received":0,"storage_ns":0,"storage_calls":0,"storage_written":0,"storage_read":0,"memory_peak":0,"memory_wasm":0,"log_bytes":7,"logs_cut":false}"#;
        assert_eq!(receipt.line(), line);
    }

    #[test]
    fn the_line_of_a_receipt_names_the_component_and_the_models() {
        let model = ModelUse { name: "detector".to_owned(), version: "3".to_owned(), calls: 2 };
        let receipt = Receipt {
            component: Some(Digest::of(b"bytes")),
            total_ns: 1,
            queued_ns: 2,
            instantiate_ns: 3,
            spare: false,
            guest_ns: 4,
            answer_ns: 5,
            computing_ns: 6,
            inference_ns: 7,
            inference_calls: 8,
            inference_engine: Some("triton".into()),
            models: vec![model],
            inference_sent: 9,
            inference_received: 10,
            storage_ns: 11,
            storage_calls: 12,
            storage_written: 13,
            storage_read: 14,
            memory_peak: 15,
            memory_wasm: 16,
            log_bytes: 17,
            logs_cut: true,
        };
        let line = r#"keynet-receipt: {"component":"sha256:277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9","total_ns":1,"queued_ns":2,"instantiate_ns":3,"spare":false,"guest_ns":4,"answer_ns":5,"computing_ns":6,"inference_ns":7,"inference_calls":8,"inference_engine":"triton","models":[{"name":"detector","version":"3","calls":2}],"inference_sent":9,"inference_received":10,"storage_ns":11,"storage_calls":12,"storage_written":13,"storage_read":14,"memory_peak":15,"memory_wasm":16,"log_bytes":17,"logs_cut":true}"#;
        assert_eq!(receipt.line(), line);
        let read: Receipt = serde_json::from_str(&line[PREFIX.len()..]).unwrap();
        assert_eq!(read, receipt);
    }
}
