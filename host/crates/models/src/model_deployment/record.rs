//! The record of a deployed model: `NAME/mlflow-meta.json`, in the format of MLflow's deployment
//! plugin for Triton.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use keynet_base::error::{Error, Result};

/// Name of the record's file in the model's folder. A model without it was not deployed.
pub(super) const RECORD: &str = "mlflow-meta.json";

/// Source of a deployed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the model.
    pub name: String,
    /// Path or URL of the model in the model repository.
    pub triton_model_path: String,
    /// `models:/detector/3`, or the `file://` URL of files deployed from this machine.
    pub mlflow_model_uri: String,
    /// Format of the source files: `onnx` or `triton`.
    pub flavor: String,
}

impl Record {
    pub(super) fn to_bytes(&self) -> Bytes {
        // Serialising four strings cannot fail.
        serde_json::to_vec_pretty(self).unwrap_or_default().into()
    }

    pub(super) fn parse(path: &str, bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::invalid(format!(
                "{path} in the model repository is no record of a deployment: {error}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_python_package_wrote_is_read() {
        let theirs = br#"{"name": "m", "triton_model_path": "/models/m", "mlflow_model_uri": "models:/m/1", "flavor": "onnx", "more": 1}"#;
        let record = Record::parse("m/mlflow-meta.json", theirs).unwrap();
        assert_eq!(
            (record.flavor.as_str(), record.mlflow_model_uri.as_str()),
            ("onnx", "models:/m/1")
        );
        assert_eq!(Record::parse("", &record.to_bytes()).unwrap(), record);
        assert!(
            Record::parse("m/mlflow-meta.json", b"{}")
                .unwrap_err()
                .message
                .starts_with("m/mlflow-meta.json")
        );
    }
}
