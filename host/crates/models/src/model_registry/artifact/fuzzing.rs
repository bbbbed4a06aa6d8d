//! Fuzzing of the responses of MLflow; see [`keynet_base::fuzzing`].

use serde::de::DeserializeOwned;
use url::Url;

use super::super::ModelVersion;
use super::super::wire::{Artifacts, DownloadUri, LatestVersions, OneVersion, Refusal};
use super::place::Place;
use keynet_base::fuzzing::{checked, text};

fn json<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    serde_json::from_slice(data).ok()
}

/// Parses a body of the REST API, or the URI of a model's files. Nothing outside the URI is read
/// over the network.
pub fn mlflow(data: &[u8]) {
    if let Some(answer) = json::<OneVersion>(data) {
        assert!(
            checked(ModelVersion::try_from(answer.model_version))
                .is_none_or(|version| version.version > 0)
        );
    }
    for version in json::<LatestVersions>(data).into_iter().flat_map(|answer| answer.model_versions)
    {
        checked(ModelVersion::try_from(version));
    }
    let _parsed = (json::<Artifacts>(data), json::<Refusal>(data));
    let uri = json::<DownloadUri>(data).map(|answer| answer.artifact_uri);
    let Ok(tracking) = Url::parse("http://127.0.0.1:5000/mlflow") else { return };
    for uri in uri.as_deref().into_iter().chain(text(data)) {
        let place = checked(Place::parse(uri, &tracking));
        if let Some(Place::Mlflow(path) | Place::Objects { prefix: path, .. }) = &place {
            assert!(!path.split('/').any(|segment| segment == ".."), "{uri:?}: {place:?}");
            assert!(!path.starts_with('/'), "{uri:?}: {place:?}");
        }
    }
}
