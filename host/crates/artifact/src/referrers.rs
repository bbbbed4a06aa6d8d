//! What refers to a manifest: signatures, attestations and other things that are kept beside it.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>

use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde::Deserialize;

use super::error::{ArtifactError, Result};
use super::nulls::{null_is_default, without_nulls};
use super::reference::Target;
use super::store::{Blob, RawManifest, Store};
use keynet_base::digest::Digest;

/// More referrers of one manifest are not looked at.
const REFERRERS: usize = 64;

/// A list of referrers, as the registry or the fallback tag has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<Listed>,
}

/// One referrer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    digest: String,
    #[serde(default, deserialize_with = "null_is_default")]
    artifact_type: String,
}

/// A manifest that refers to another.
#[derive(Debug)]
pub(super) struct Referrer {
    /// What it is: its artifact type, or that of its config.
    pub(super) kind: String,
    /// What it consists of.
    pub(super) layers: Vec<OciDescriptor>,
}

/// Returns what refers to the manifest `digest` and is of a kind that `wanted` takes: as the store
/// lists it, or else as the tag `sha256-…` does, which clients keep where registries have no such
/// list.
///
/// # Errors
/// What registries and files answer with. An entry that is not there or cannot be read is passed
/// over.
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
    // An entry of an older tool does not say what it is.
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

/// The blob that a descriptor names.
pub(super) fn blob_of(descriptor: &OciDescriptor) -> Option<Blob> {
    Some(Blob {
        digest: descriptor.digest.parse().ok()?,
        size: u64::try_from(descriptor.size).ok()?,
    })
}
