//! What is written down about a deployed model: `NAME/mlflow-meta.json`, as MLflow's deployment
//! plugin for Triton writes it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use keynet_base::error::{Error, Result};

/// The name of its file in the model's folder. What has none was not deployed.
pub(super) const RECORD: &str = "mlflow-meta.json";

/// Where a deployed model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The model's name.
    pub name: String,
    /// Where it is in the model repository.
    pub triton_model_path: String,
    /// `models:/detector/3`, or the `file://` URL of what was deployed from this machine.
    pub mlflow_model_uri: String,
    /// What kind of files it was made of: `onnx` or `triton`.
    pub flavor: String,
}

impl Record {
    pub(super) fn to_bytes(&self) -> Bytes {
        // Four texts cannot fail to be JSON.
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
