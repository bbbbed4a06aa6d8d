//! An image in memory: its config, and layers that are made here or that stay in a base's registry
//! or layout.

use bytes::Bytes;
use keynet_artifact::{
    ArtifactError, ArtifactRef, Blob, Content, RawManifest, RegistryOptions, Store, Target,
};
use keynet_base::Digest;
use serde_json::{Map, Value, json};

use super::ImageError;
use super::config::{Config, OCI_CONFIG, architecture};
use super::layer::{DOCKER_LAYER, Layer, OCI_LAYER};
use super::time::Time;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LISTS: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// Maximum size of a config in bytes.
const MAX_CONFIG: u64 = 8 << 20;

/// An image: its config and layers.
#[derive(Clone)]
pub struct Image {
    config: Config,
    layers: Vec<Part>,
    annotations: Map<String, Value>,
    /// `true` for an image of Docker's own media types, which predate OCI's.
    docker: bool,
    /// Reference that it was loaded from, with its digest.
    origin: Option<(ArtifactRef, Digest)>,
}

/// A layer: its entry in the manifest, and the source of its bytes.
#[derive(Clone)]
struct Part {
    description: Map<String, Value>,
    blob: Blob,
    bytes: Source,
}

#[derive(Clone)]
enum Source {
    Made(Bytes),
    Kept(Store),
}

impl Image {
    /// Creates an image without layers.
    pub fn empty(config: Config) -> Self {
        Self { config, layers: Vec::new(), annotations: Map::new(), docker: false, origin: None }
    }

    /// Loads the image that `reference` names; from an image for several platforms, the one for
    /// this machine. Its layers are not fetched.
    ///
    /// # Errors
    /// The reference does not exist, is not a container image, or is for other machines.
    pub async fn load(
        reference: &ArtifactRef,
        options: &RegistryOptions,
    ) -> Result<Self, ImageError> {
        let no_base = |why: String| ImageError::Base { reference: reference.to_string(), why };
        let store = Store::open(reference, options)?;
        let mut manifest = store.named_manifest().await?;
        if LISTS.contains(&manifest.media_type.as_str()) {
            let digest = of_this_platform(&parse(&manifest).map_err(no_base)?).map_err(no_base)?;
            manifest = store.manifest(&Target::digest(digest)).await?;
        }
        let docker = match manifest.media_type.as_str() {
            OCI_MANIFEST => false,
            DOCKER_MANIFEST => true,
            other => return Err(no_base(format!("it is no container image but {other}"))),
        };
        let text = parse(&manifest).map_err(no_base)?;
        let described = text
            .get("config")
            .and_then(blob_of)
            .ok_or_else(|| no_base("its manifest names no config".to_owned()))?;
        let config =
            Config::parse(&store.blob_bytes(&described, MAX_CONFIG).await?).map_err(no_base)?;
        let layers =
            text.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let part = |layer: &Value| {
            Some(Part {
                description: layer.as_object()?.clone(),
                blob: blob_of(layer)?,
                bytes: Source::Kept(store.clone()),
            })
        };
        let layers = layers.iter().map(part).collect::<Option<Vec<_>>>();
        let layers = layers.ok_or_else(|| {
            no_base("its manifest names a layer without digest or size".to_owned())
        })?;
        if layers.len() != config.layers() {
            return Err(no_base(format!(
                "its manifest has {} layers, its config {}",
                layers.len(),
                config.layers()
            )));
        }
        let here = format!("linux/{}", architecture());
        if config.platform() != here {
            return Err(no_base(format!("it is for {}, not for {here}", config.platform())));
        }
        let annotations =
            text.get("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
        Ok(Self {
            config,
            layers,
            annotations,
            docker,
            origin: Some((reference.clone(), manifest.digest())),
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns its config for changes.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Returns the reference and digest that it was loaded from; `None` for a new image.
    pub fn origin(&self) -> Option<&(ArtifactRef, Digest)> {
        self.origin.as_ref()
    }

    /// Sets an annotation of the manifest.
    pub fn annotate(&mut self, name: &str, value: &str) {
        self.annotations.insert(name.to_owned(), value.into());
    }

    /// Adds `layer` on top; `command` is the history's `created_by`.
    pub fn add(&mut self, layer: Layer, command: &str, time: Time) {
        self.config.add_layer(&layer, command, time);
        let media_type = if self.docker { DOCKER_LAYER } else { OCI_LAYER };
        let description = description(media_type, &layer.blob);
        self.layers.push(Part { description, blob: layer.blob, bytes: Source::Made(layer.bytes) });
    }

    /// Returns the compressed size of its layers in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.blob.size).sum()
    }

    /// Writes the image to the registry or layout that `to` names and returns the digest of its
    /// manifest. Skips layers of the base that are already there, or that the registry can mount
    /// from another of its repositories.
    ///
    /// # Errors
    /// The registry or layout reports an error.
    pub async fn write(
        &self,
        to: &ArtifactRef,
        options: &RegistryOptions,
    ) -> Result<Digest, ImageError> {
        let store = Store::open(to, options)?;
        for layer in &self.layers {
            put(&store, layer).await?;
        }
        let config: Bytes = self.config.text().into();
        let config_blob = Blob::of(&config);
        store.put_blob(&config_blob, &Content::Bytes(config)).await?;
        Ok(store.put_manifest(to.target(), &self.manifest(&config_blob)).await?)
    }

    fn manifest(&self, config: &Blob) -> RawManifest {
        let (media_type, config_type) =
            if self.docker { (DOCKER_MANIFEST, DOCKER_CONFIG) } else { (OCI_MANIFEST, OCI_CONFIG) };
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": description(config_type, config),
            "layers": self.layers.iter().map(|layer| &layer.description).collect::<Vec<_>>(),
        });
        if let Some(manifest) =
            manifest.as_object_mut().filter(|_| !self.docker && !self.annotations.is_empty())
        {
            manifest.insert("annotations".to_owned(), self.annotations.clone().into());
        }
        RawManifest { media_type: media_type.to_owned(), bytes: manifest.to_string().into() }
    }
}

async fn put(store: &Store, layer: &Part) -> Result<(), ArtifactError> {
    let from = match &layer.bytes {
        Source::Made(bytes) => {
            return store.put_blob(&layer.blob, &Content::Bytes(bytes.clone())).await;
        }
        Source::Kept(from) => from,
    };
    if store.has_blob(&layer.blob).await? || mounted(store, from, &layer.blob).await? {
        return Ok(());
    }
    // A layer may be larger than memory, so it goes through a file and is verified on the way.
    let file = tempfile::NamedTempFile::new().map_err(failed("make", &std::env::temp_dir()))?;
    let mut into = tokio::fs::File::from_std(file.reopen().map_err(failed("open", file.path()))?);
    from.get_blob(&layer.blob, &mut into).await?;
    tokio::io::AsyncWriteExt::flush(&mut into).await.map_err(failed("write", file.path()))?;
    store.put_blob(&layer.blob, &Content::open(file.path())?).await
}

/// Reports whether the registry mounted the blob from another of its repositories.
async fn mounted(store: &Store, from: &Store, blob: &Blob) -> Result<bool, ArtifactError> {
    match (store.reference(), from.reference()) {
        (ArtifactRef::Registry(to), ArtifactRef::Registry(from))
            if to.host == from.host && to.repository != from.repository =>
        {
            store.mount_blob(blob, &from.repository).await
        }
        _ => Ok(false),
    }
}

fn failed(
    doing: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(std::io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |answered| ArtifactError::Io { doing, path, answered }
}

fn parse(manifest: &RawManifest) -> Result<Value, String> {
    serde_json::from_slice(&manifest.bytes)
        .map_err(|error| format!("its manifest cannot be read: {error}"))
}

/// Returns the manifest for this machine in a list of manifests.
fn of_this_platform(list: &Value) -> Result<Digest, String> {
    let manifests =
        list.get("manifests").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let platform = |manifest: &Value| {
        let part = |name: &str| Some(manifest.get("platform")?.get(name)?.as_str()?.to_owned());
        Some(format!("{}/{}", part("os")?, part("architecture")?))
    };
    let here = format!("linux/{}", architecture());
    let found = manifests.iter().find(|manifest| platform(manifest).as_deref() == Some(&here));
    let only = manifests.first().filter(|only| manifests.len() == 1 && platform(only).is_none());
    let manifest = found.or(only).ok_or_else(|| {
        let there: Vec<_> = manifests.iter().filter_map(platform).collect();
        format!(
            "it is not for {here} but for {}",
            if there.is_empty() { "nothing".to_owned() } else { there.join(", ") }
        )
    })?;
    blob_of(manifest)
        .map(|blob| blob.digest)
        .ok_or_else(|| "its list of platforms cannot be read".to_owned())
}

fn blob_of(description: &Value) -> Option<Blob> {
    let digest = description.get("digest")?.as_str()?.parse().ok()?;
    Some(Blob { digest, size: description.get("size")?.as_u64()? })
}

fn description(media_type: &str, blob: &Blob) -> Map<String, Value> {
    let description =
        json!({ "mediaType": media_type, "digest": blob.digest.to_string(), "size": blob.size });
    description.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn of_several_platforms_that_of_this_machine_is_taken() {
        let entry = |os: &str, architecture: &str, digest: &str| json!({ "digest": digest, "size": 1, "platform": { "os": os, "architecture": architecture } });
        let other = D.replace('a', "b");
        let list = json!({ "manifests": [entry("windows", architecture(), &other), entry("linux", architecture(), D)] });
        assert_eq!(of_this_platform(&list).unwrap().to_string(), D);
        let list =
            json!({ "manifests": [entry("linux", "s390x", D), entry("windows", "amd64", D)] });
        let error = of_this_platform(&list).unwrap_err();
        assert!(error.ends_with("but for linux/s390x, windows/amd64"), "{error}");
        // An index that umoci or skopeo made of one image names no platform.
        assert_eq!(
            of_this_platform(&json!({ "manifests": [{ "digest": D, "size": 1 }] }))
                .unwrap()
                .to_string(),
            D
        );
        assert!(of_this_platform(&json!({})).is_err());
    }
}
