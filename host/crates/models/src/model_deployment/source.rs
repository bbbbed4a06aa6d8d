//! The source of a model: MLflow's registry, or a local file or folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

use crate::inference::ModelRef;
use crate::model_registry::{self, DownloadLimits, Downloaded, ModelRegistry, Sources};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};
use keynet_object_storage::ObjectStorage;

/// Source of a model to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// `models:/detector/3`, `models:/detector@champion`, `models:/detector/Production`.
    Registered(ModelRef),
    /// An ONNX file, or a folder with a model in it.
    Local(PathBuf),
}

/// Model whose files were copied into a folder of their own.
#[derive(Debug)]
pub(super) struct Fetched {
    /// URI for the record.
    pub uri: String,
    /// Version number of the registry.
    pub version: Option<u64>,
    /// Number of files and bytes.
    pub downloaded: Downloaded,
}

impl FromStr for ModelSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if !text.starts_with("models:") {
            return Ok(Self::Local(text.into()));
        }
        match text.parse()? {
            ModelRef::Served { .. } => Err(Error::invalid(format!(
                "model {text:?}: write models:/name/3 or models:/name@alias"
            ))),
            registered => Ok(Self::Registered(registered)),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(model) => model.fmt(f),
            Self::Local(path) => path.display().fmt(f),
        }
    }
}

impl ModelSource {
    /// Returns the default name of the deployed model.
    ///
    /// # Errors
    /// `invalid`: its path does not end in a usable name.
    pub fn name(&self) -> Result<String> {
        match self {
            Self::Registered(model) => Ok(model.name().to_owned()),
            Self::Local(path) => {
                let path = match path.file_name() {
                    Some(_) => path.clone(),
                    None => path.canonicalize().unwrap_or_else(|_| path.clone()),
                };
                let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
                let name = name.and_then(|name| name.to_str()).map(str::to_owned);
                name.ok_or_else(|| {
                    Error::invalid(format!(
                        "{} has no name that a model could have: give it one",
                        path.display()
                    ))
                })
            }
        }
    }

    /// Copies its files into the folder `into`, which must not exist yet.
    ///
    /// # Errors
    /// The source does not exist, or cannot be read. `unavailable`: no registry is configured, or
    /// it does not respond.
    pub(super) async fn fetch(
        &self,
        registry: Option<&ModelRegistry>,
        objects: Option<&ObjectStorage>,
        into: &Path,
        budget: &CallBudget,
    ) -> Result<Fetched> {
        let limits = DownloadLimits { bytes: 256 << 30, files: 100_000 };
        match self {
            Self::Registered(model) => {
                let registry = registry.ok_or_else(|| {
                    Error::unavailable(format!(
                        "{model} is in MLflow's registry, and none is configured: set \
                            MLFLOW_TRACKING_URI"
                    ))
                })?;
                // A remote registry must not name files of this machine.
                let files =
                    matches!(registry.url().host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
                if let ModelRef::Logged { id } = model {
                    let downloaded = registry
                        .download_logged(id, into, Sources { objects, files }, limits, budget)
                        .await?;
                    return Ok(Fetched { uri: model.to_string(), version: None, downloaded });
                }
                let version = registry.version(model, budget).await?;
                let downloaded = registry
                    .download(&version, into, Sources { objects, files }, limits, budget)
                    .await?;
                let uri = format!("models:/{}/{}", version.name, version.version);
                Ok(Fetched { uri, version: Some(version.version), downloaded })
            }
            Self::Local(path) => {
                // Not canonicalized: a link of the Hugging Face cache leads to a file whose name is
                // a digest, and the name of the link has to be kept.
                let path = std::path::absolute(path)
                    .map_err(|error| super::repository::failed("read", path, &error))?;
                let downloaded = model_registry::copy_files(&path, into, limits).await?;
                let url = Url::from_file_path(&path)
                    .map_err(|()| Error::invalid(format!("{} is no path", path.display())))?;
                Ok(Fetched { uri: url.into(), version: None, downloaded })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_name_of_the_registry_or_a_path() {
        for (text, name) in [
            ("models:/detector/3", "detector"),
            ("models:/detector@champion", "detector"),
            ("nets/small.onnx", "small"),
        ] {
            let source: ModelSource = text.parse().unwrap();
            assert_eq!(
                (source.to_string().as_str(), source.name().unwrap().as_str()),
                (text, name)
            );
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("net.v2")).unwrap();
        assert_eq!(ModelSource::Local(folder.path().join("net.v2/.")).name().unwrap(), "net.v2");
        for wrong in ["models:/detector", "models:detector"] {
            assert!(wrong.parse::<ModelSource>().is_err(), "{wrong}");
        }
    }
}
