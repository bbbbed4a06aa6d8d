//! Referrers of a manifest: signatures, attestations and other content that is stored beside it.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>

use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde::Deserialize;

use super::error::{ArtifactError, Result};
use super::nulls::{null_is_default, without_nulls};
use super::reference::Target;
use super::store::{Blob, RawManifest, Store};
use keynet_base::digest::Digest;

/// Maximum number of referrers of one manifest that are read.
const REFERRERS: usize = 64;

/// List of referrers, from the registry or the fallback tag.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<Listed>,
}

/// Entry of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    digest: String,
    #[serde(default, deserialize_with = "null_is_default")]
    artifact_type: String,
}

/// Manifest that refers to another.
#[derive(Debug)]
pub(super) struct Referrer {
    /// Its artifact type, or that of its config.
    pub(super) kind: String,
    /// Its layers.
    pub(super) layers: Vec<OciDescriptor>,
}

/// Returns the referrers of the manifest `digest` whose artifact type is accepted by `wanted`. They
/// are taken from the store's list, or else from the tag `sha256-…`, which clients maintain in
/// registries without such a list.
///
/// # Errors
/// Those of registries and files. An entry that does not exist or cannot be read is skipped.
pub(super) async fn referrers(
    store: &Store,
    digest: &Digest,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Referrer>> {
    let list = match store.referrers(digest).await? {
        Some(list) => list,
        None => match store.manifest(&Target::Tag(format!("sha256-{}", digest.hex()))).await {
            Err(ArtifactError::NotFound { .. }) => return Ok(Vec::new()),
            list => list?.bytes.to_vec(),
        },
    };
    let Ok(list) = serde_json::from_slice::<List>(&list) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    // Older tools write entries without an artifact type.
    for listed in list
        .manifests
        .iter()
        .filter(|listed| listed.artifact_type.is_empty() || wanted(&listed.artifact_type))
        .take(REFERRERS)
    {
        let Ok(digest) = listed.digest.parse() else { continue };
        match store.manifest(&Target::digest(digest)).await {
            Err(ArtifactError::NotFound { .. } | ArtifactError::TooLarge { .. }) => {}
            raw => found.extend(read(&raw?).filter(|referrer| wanted(&referrer.kind))),
        }
    }
    Ok(found)
}

fn read(raw: &RawManifest) -> Option<Referrer> {
    let manifest: OciImageManifest = without_nulls(&raw.bytes, &["layers"]).ok()?;
    let kind = manifest.artifact_type.unwrap_or(manifest.config.media_type);
    Some(Referrer { kind, layers: manifest.layers })
}

/// Returns the blob of a descriptor; `None` if its digest or size is invalid.
pub(super) fn blob_of(descriptor: &OciDescriptor) -> Option<Blob> {
    Some(Blob {
        digest: descriptor.digest.parse().ok()?,
        size: u64::try_from(descriptor.size).ok()?,
    })
}
