//! What MLflow's REST API answers with ([the REST API](https://mlflow.org/docs/latest/rest-api.html)).

use serde::Deserialize;

use super::ModelVersion;
use crate::error::{Error, Result};
use crate::quote::{quoted, shown};

/// `model-versions/get`, `registered-models/alias`.
#[derive(Debug, Deserialize)]
pub(super) struct OneVersion {
    pub(super) model_version: Version,
}

/// `registered-models/get-latest-versions`.
#[derive(Debug, Deserialize)]
pub(super) struct LatestVersions {
    #[serde(default)]
    pub(super) model_versions: Vec<Version>,
}

/// A version, whose number is a text.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    name: String,
    version: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    run_id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    current_stage: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// `model-versions/get-download-uri`.
#[derive(Debug, Deserialize)]
pub(super) struct DownloadUri {
    #[serde(default)]
    pub(super) artifact_uri: String,
}

/// `mlflow-artifacts/artifacts?path=…`: the names in one folder.
#[derive(Debug, Deserialize)]
pub(super) struct Artifacts {
    #[serde(default)]
    pub(super) files: Vec<ArtifactInfo>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ArtifactInfo {
    pub(super) path: String,
    #[serde(default)]
    pub(super) is_dir: bool,
}

/// Any error.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) error_code: String,
    #[serde(default)]
    pub(super) message: String,
}

impl TryFrom<Version> for ModelVersion {
    type Error = Error;

    fn try_from(version: Version) -> Result<Self> {
        let number = version.version.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            Error::internal(format!("MLflow calls a version of model {} {}", shown(&version.name), quoted(&version.version)))
        })?;
        Ok(Self {
            name: version.name,
            version: number,
            source: version.source,
            run_id: Some(version.run_id).filter(|id| !id.is_empty()),
            status: if version.status.is_empty() { "READY".to_owned() } else { version.status },
            stage: Some(version.current_stage).filter(|stage| !stage.is_empty() && stage != "None"),
            tags: version.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            aliases: version.aliases,
        })
    }
}
