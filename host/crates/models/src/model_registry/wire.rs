//! Responses of MLflow's REST API ([the REST API](https://mlflow.org/docs/latest/rest-api.html)).

use serde::Deserialize;

use super::ModelVersion;
use keynet_base::error::{Error, Result};
use keynet_base::quote::{quoted, shown};

/// Response of `model-versions/get` and `registered-models/alias`.
#[derive(Debug, Deserialize)]
pub(super) struct OneVersion {
    pub(super) model_version: Version,
}

/// Response of `registered-models/get-latest-versions`.
#[derive(Debug, Deserialize)]
pub(super) struct LatestVersions {
    #[serde(default)]
    pub(super) model_versions: Vec<Version>,
}

/// Response of `logged-models/ID`.
#[derive(Debug, Deserialize)]
pub(super) struct OneLogged {
    pub(super) model: LoggedModel,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoggedModel {
    pub(super) info: LoggedInfo,
}

/// Fields of a logged model that are used.
#[derive(Debug, Deserialize)]
pub(super) struct LoggedInfo {
    /// URI of its files.
    pub(super) artifact_uri: String,
    /// Status: `LOGGED_MODEL_READY`, or a number.
    #[serde(default)]
    pub(super) status: serde_json::Value,
}

/// Version of a registered model; its number is a string.
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

/// Response of `model-versions/get-download-uri`.
#[derive(Debug, Deserialize)]
pub(super) struct DownloadUri {
    #[serde(default)]
    pub(super) artifact_uri: String,
}

/// Response of `mlflow-artifacts/artifacts?path=…`: the entries of one folder.
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

/// Error response.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) error_code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// Largest version in bytes, including its tags and aliases, because it is held in the cache.
const MAX_VERSION: usize = 256 << 10;

impl Version {
    /// Returns its approximate size in memory, in bytes.
    fn size(&self) -> usize {
        let tags: usize =
            self.tags.iter().map(|tag| size_of::<Tag>() + tag.key.len() + tag.value.len()).sum();
        let aliases: usize =
            self.aliases.iter().map(|alias| size_of::<String>() + alias.len()).sum();
        let texts = [
            &self.name,
            &self.version,
            &self.source,
            &self.run_id,
            &self.status,
            &self.current_stage,
        ];
        tags + aliases + texts.iter().map(|text| text.len()).sum::<usize>()
    }
}

impl TryFrom<Version> for ModelVersion {
    type Error = Error;

    fn try_from(version: Version) -> Result<Self> {
        let size = version.size();
        if size > MAX_VERSION {
            return Err(Error::too_large(format!(
                "MLflow describes a version of model {} with {size} bytes, and no more than \
                    {MAX_VERSION} are accepted: remove some of its tags",
                shown(&version.name)
            )));
        }
        let number = version.version.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            Error::internal(format!(
                "MLflow calls a version of model {} {}",
                shown(&version.name),
                quoted(&version.version)
            ))
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
