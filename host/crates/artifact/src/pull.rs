//! Pulling an action, and inspecting it before its component is fetched.

use std::collections::BTreeMap;
use std::path::Path;

use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::component::check_header;
use super::error::{ArtifactError, Result};
use super::format::{ARCHITECTURE, CONFIG_TYPE, LAYER_TYPE, OS, WasmConfig};
use super::nulls::without_nulls;
use super::options::RegistryOptions;
use super::reference::ArtifactRef;
use super::store::{Blob, RawManifest, Store};
use keynet_base::digest::Digest;
use keynet_base::new_file::NewFile;
use keynet_base::quote::{bounded, quoted};

/// Annotation with the name of the function.
const TITLE: &str = "org.opencontainers.image.title";
const CONFIG_LIMIT: u64 = 1 << 20;

/// Facts about an artifact, read without its component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Reference of the artifact, by digest.
    pub reference: ArtifactRef,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its manifest.
    pub manifest: RawManifest,
    /// Digest and size of its component.
    pub component: Blob,
    /// Its config, with imports and exports.
    pub config: WasmConfig,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Action that was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// Manifest and config.
    pub look: Look,
    /// Component: its digest and size match the manifest, and it is not a core module.
    pub bytes: Vec<u8>,
}

/// Reads the manifest and the config of an artifact.
///
/// # Errors
/// `NotFound`, `NotAnAction`, `WrongDigest`, and the errors of registries and files.
pub async fn look(reference: &ArtifactRef, options: &RegistryOptions) -> Result<Look> {
    look_in(&Store::open(reference, options)?).await
}

/// Pulls the action into memory.
///
/// # Errors
/// Those of [`look`], and `TooLarge`, `WrongSize`.
pub async fn pull(reference: &ArtifactRef, options: &RegistryOptions) -> Result<Pulled> {
    let store = Store::open(reference, options)?;
    let look = look_in(&store).await?;
    let bytes = store.blob_bytes(&look.component, options.max_component).await?;
    check_header(&bytes)
        .map_err(|why| not_an_action(&look.reference, format!("has a layer that {why}")))?;
    Ok(Pulled { look, bytes })
}

/// Pulls the action's component to the file at `path`, which is replaced once the component is
/// complete and verified.
///
/// # Errors
/// Those of [`pull`].
pub async fn pull_to_file(
    reference: &ArtifactRef,
    path: &Path,
    options: &RegistryOptions,
) -> Result<Look> {
    let store = Store::open(reference, options)?;
    let look = look_in(&store).await?;
    let (size, limit) = (look.component.size, options.max_component);
    if size > limit {
        return Err(ArtifactError::TooLarge {
            what: format!("the component of {}", look.reference),
            size,
            limit,
        });
    }
    let new = NewFile::beside(path, NewFile::READABLE).map_err(ArtifactError::io("write", path))?;
    let mut file = tokio::fs::File::from_std(
        new.file().try_clone().map_err(ArtifactError::io("write", path))?,
    );
    store.get_blob(&look.component, &mut file).await?;
    let mut header = Vec::new();
    file.rewind().await.map_err(ArtifactError::io("read", path))?;
    file.take(8).read_to_end(&mut header).await.map_err(ArtifactError::io("read", path))?;
    check_header(&header)
        .map_err(|why| not_an_action(&look.reference, format!("has a layer that {why}")))?;
    new.put_for_good(path).map_err(ArtifactError::io("write", path))?;
    Ok(look)
}

async fn look_in(store: &Store) -> Result<Look> {
    let reference = store.reference();
    let raw = store.named_manifest().await?;
    let digest = raw.digest();
    let refused = |why: String| not_an_action(reference, why);
    let manifest = parse(&raw).map_err(refused)?;
    let component = component_of(&manifest).map_err(refused)?;
    let blob = blob_of(&manifest.config).map_err(refused)?;
    let config = store.blob_bytes(&blob, CONFIG_LIMIT).await?;
    let config: WasmConfig = serde_json::from_slice(&config).map_err(|error| {
        refused(format!("has a config that cannot be read: {}", bounded(error, 512)))
    })?;
    check_config(&config, &component).map_err(refused)?;
    let annotations = manifest.annotations.unwrap_or_default();
    Ok(Look {
        reference: reference.pinned_to(digest),
        digest,
        manifest: raw,
        component,
        config,
        annotations,
    })
}

impl Look {
    /// Returns the name of the function, as the artifact's title has it; `None` if it has none.
    pub fn title(&self) -> Option<&str> {
        self.annotations.get(TITLE).map(String::as_str)
    }
}

/// Parses the manifest and checks that it can be that of an action.
pub(super) fn parse(raw: &RawManifest) -> Result<OciImageManifest, String> {
    #[derive(Deserialize)]
    struct Shape {
        manifests: Option<serde_json::Value>,
    }
    let damaged = |error: serde_json::Error| {
        format!("has a manifest that cannot be read: {}", bounded(error, 512))
    };
    let shape: Shape = serde_json::from_slice(&raw.bytes).map_err(damaged)?;
    let kind = raw.media_type.as_str();
    if shape.manifests.is_some() || kind.contains("index") || kind.contains("manifest.list") {
        return Err(
            "is an image index, a list of images for several platforms, not an action".to_owned()
        );
    }
    let manifest: OciImageManifest = without_nulls(&raw.bytes, &["layers"]).map_err(damaged)?;
    match manifest.config.media_type.as_str() {
        CONFIG_TYPE => Ok(manifest),
        kind if kind.contains("image.config") || kind.contains("container.image") => Err("is a \
            container image, not an action"
            .to_owned()),
        kind => Err(format!(
            "is an artifact of another kind: its config is {}, that of an action {CONFIG_TYPE:?}",
            quoted(kind)
        )),
    }
}

/// Returns the blob of the only layer.
pub(super) fn component_of(manifest: &OciImageManifest) -> Result<Blob, String> {
    let [layer] = &manifest.layers[..] else {
        return Err(format!(
            "has {} layers: an action has exactly one, its component",
            manifest.layers.len()
        ));
    };
    if layer.media_type != LAYER_TYPE {
        return Err(format!(
            "has a layer of the type {}: that of an action is {LAYER_TYPE:?}",
            quoted(&layer.media_type)
        ));
    }
    blob_of(layer)
}

fn blob_of(descriptor: &OciDescriptor) -> Result<Blob, String> {
    let digest = descriptor
        .digest
        .parse()
        .map_err(|error| format!("has a manifest that cannot be read: {error}"))?;
    let size = u64::try_from(descriptor.size)
        .map_err(|_| "has a manifest that cannot be read: a size is negative".to_owned())?;
    Ok(Blob { digest, size })
}

pub(super) fn check_config(config: &WasmConfig, component: &Blob) -> Result<(), String> {
    if config.architecture != ARCHITECTURE {
        return Err(format!(
            "is for the architecture {}, not {ARCHITECTURE:?}",
            quoted(&config.architecture)
        ));
    }
    match config.os.as_str() {
        OS => {}
        "wasip1" => {
            return Err(
                "is a core module (wasip1), not a component: build it for wasip2".to_owned()
            );
        }
        os => return Err(format!("is for {}, not {OS:?}", quoted(os))),
    }
    match &config.layer_digests[..] {
        [] => Ok(()),
        [layer] if *layer == component.digest.to_string() => Ok(()),
        _ => Err(format!("has a config for another layer than its own, {}", component.digest)),
    }
}

fn not_an_action(reference: &ArtifactRef, why: String) -> ArtifactError {
    ArtifactError::NotAnAction { reference: reference.to_string(), why }
}
