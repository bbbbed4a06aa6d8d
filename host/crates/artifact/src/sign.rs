//! Signatures as cosign makes them: ECDSA P-256 over a small JSON text that contains the digest,
//! stored under the tag `sha256-….sig`.
//!
//! <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>. `cosign verify --key`
//! accepts signatures made here, and signatures of `cosign sign --key` with an unencrypted key are
//! verified here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bundle::{BUNDLE_TYPE, Verdict, judge};
use super::error::{ArtifactError, Result};
use super::format::descriptor;
pub use super::key::{PrivateKey, PublicKey};
use super::nulls::without_nulls;
use super::options::RegistryOptions;
use super::reference::{ArtifactRef, Target};
use super::referrers::{blob_of, referrers};
use super::store::{Blob, Content, RawManifest, Store};
use keynet_base::digest::Digest;
use keynet_base::quote::shown;

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const KIND: &str = "cosign container image signature";
const PAYLOAD_LIMIT: u64 = 64 << 10;
/// Largest bundle that is read, in bytes; a bundle contains the proofs of transparency logs.
const BUNDLE_LIMIT: u64 = 1 << 20;
/// Artifact type of a Notation signature.
const NOTATION_TYPE: &str = "application/vnd.cncf.notary.signature";
/// Maximum number of signatures of one artifact that are read.
const SIGNATURES: usize = 256;
/// Number of attempts to sign when a concurrent signer overwrites the signature.
const TURNS: usize = 4;

/// Payload of a signature.
#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    optional: Option<serde_json::Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference", default)]
    docker_reference: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest", alias = "Docker-manifest-digest")]
    docker_manifest_digest: String,
}

/// Signs the manifest that `reference` names now, in addition to existing signatures, and returns
/// its digest. Signing again with the same key changes nothing.
///
/// # Errors
/// Those of pulling and pushing.
pub async fn sign(
    reference: &ArtifactRef,
    key: &PrivateKey,
    options: &RegistryOptions,
) -> Result<Digest> {
    let store = Store::open(reference, options)?;
    let digest = store.named_manifest().await?.digest();
    let payload = payload(reference, &digest)?;
    let blob = Blob::of(&payload);
    let signature = STANDARD.encode(key.sign(&payload));
    let layer = OciDescriptor {
        annotations: Some(BTreeMap::from([(SIGNATURE.to_owned(), signature)])),
        ..descriptor(PAYLOAD_TYPE, &blob)
    };
    store.put_blob(&blob, &Content::Bytes(payload.into())).await?;
    for _ in 0..TURNS {
        let mut layers = signatures(&store, &digest).await?;
        if has(&layers, &layer) {
            return Ok(digest);
        }
        layers.push(layer.clone());
        put(&store, &digest, layers).await?;
    }
    // Read again: a concurrent signer may have overwritten this signature.
    if has(&signatures(&store, &digest).await?, &layer) {
        return Ok(digest);
    }
    Err(ArtifactError::NotSigned {
        reference: format!(
            "{} (others sign at the same time: sign again)",
            reference.pinned_to(digest)
        ),
    })
}

/// Checks that the manifest that `reference` names now is signed by `key` in one of cosign's
/// formats: a payload under the tag `sha256-….sig`, or a bundle that refers to the manifest.
/// Returns its digest: the caller must pull by that digest, not by the tag again.
///
/// # Errors
/// `NotSigned`, `OtherKey`, `OtherArtifact`, `OtherSignature`, and those of pulling.
pub async fn verify(
    reference: &ArtifactRef,
    key: &PublicKey,
    options: &RegistryOptions,
) -> Result<Digest> {
    let store = Store::open(reference, options)?;
    let manifest = store.named_manifest().await?;
    let digest = manifest.digest();
    let mut seen = Seen::default();
    if of_tag(&store, &digest, key, &mut seen).await?
        || of_bundles(&store, &manifest, key, &mut seen).await?
    {
        return Ok(digest);
    }
    let reference = reference.pinned_to(digest).to_string();
    Err(match seen {
        Seen { moved: Some(signed), .. } => {
            ArtifactError::OtherArtifact { reference, signed: signed.chars().take(80).collect() }
        }
        Seen { by_others, .. } if by_others > 0 => {
            ArtifactError::OtherKey { reference, signatures: by_others }
        }
        Seen { other: Some(what), .. } => ArtifactError::OtherSignature { reference, what },
        _ => ArtifactError::NotSigned { reference },
    })
}

/// Other signatures that were found, for the error.
#[derive(Default)]
struct Seen {
    /// Digest of another artifact that the key signed.
    moved: Option<String>,
    /// Number of signatures by other keys.
    by_others: usize,
    /// Description of a signature that no public key verifies.
    other: Option<String>,
}

/// Reports whether one of the signatures under the tag was made by the key.
async fn of_tag(store: &Store, digest: &Digest, key: &PublicKey, seen: &mut Seen) -> Result<bool> {
    let layers = signatures(store, digest).await?;
    seen.by_others += layers.len();
    for layer in layers.iter().take(SIGNATURES) {
        let signature = layer
            .annotations
            .as_ref()
            .and_then(|annotations| STANDARD.decode(annotations.get(SIGNATURE)?.trim()).ok());
        let (Some(signature), Some(blob)) = (signature, blob_of(layer)) else { continue };
        let payload = store.blob_bytes(&blob, PAYLOAD_LIMIT).await?;
        if !key.verifies(&payload, &signature) {
            continue;
        }
        match signed_image(&payload) {
            Some(signed) if signed == digest.to_string() => return Ok(true),
            Some(signed) => seen.moved = Some(signed),
            None => seen.moved = Some("something that is no signature of an image".to_owned()),
        }
    }
    Ok(false)
}

/// Reports whether one of the bundles that refer to the manifest was signed by the key.
async fn of_bundles(
    store: &Store,
    manifest: &RawManifest,
    key: &PublicKey,
    seen: &mut Seen,
) -> Result<bool> {
    let wanted = |kind: &str| kind.starts_with(BUNDLE_TYPE) || kind == NOTATION_TYPE;
    for referrer in referrers(store, &manifest.digest(), wanted).await? {
        if referrer.kind == NOTATION_TYPE {
            seen.other.get_or_insert_with(|| {
                "a signature of Notation: check it with `notation verify`".to_owned()
            });
        }
        for layer in
            referrer.layers.iter().filter(|layer| layer.media_type.starts_with(BUNDLE_TYPE))
        {
            let Some(blob) = blob_of(layer) else { continue };
            match judge(&store.blob_bytes(&blob, BUNDLE_LIMIT).await?, manifest, key) {
                Verdict::Signed => return Ok(true),
                Verdict::OtherArtifact(signed) => seen.moved = Some(signed),
                Verdict::OtherKey => seen.by_others += 1,
                Verdict::OtherKind(what) => seen.other = Some(what),
            }
        }
    }
    Ok(false)
}

/// Returns the digest in a payload; `None` if it is not the payload of an image's signature.
pub(super) fn signed_image(payload: &[u8]) -> Option<String> {
    let Payload { critical, .. } = serde_json::from_slice(payload).ok()?;
    Some(critical.image.docker_manifest_digest).filter(|_| critical.kind == KIND)
}

/// Returns the tag under which the signatures of a manifest are stored.
fn signature_tag(digest: &Digest) -> Target {
    Target::Tag(format!("sha256-{}.sig", digest.hex()))
}

/// Returns the payload as cosign writes it: members in this order, without spaces.
fn payload(reference: &ArtifactRef, digest: &Digest) -> Result<Vec<u8>> {
    let docker_reference = match reference {
        ArtifactRef::Registry(registry) => format!("{}/{}", registry.host, registry.repository),
        ArtifactRef::Layout(_) => String::new(),
    };
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference },
            image: Image { docker_manifest_digest: digest.to_string() },
            kind: KIND.to_owned(),
        },
        optional: None,
    };
    serde_json::to_vec(&payload).map_err(|error| unreadable(&reference.pinned_to(*digest), &error))
}

fn has(layers: &[OciDescriptor], layer: &OciDescriptor) -> bool {
    let signature = |layer: &OciDescriptor| {
        layer.annotations.as_ref().and_then(|annotations| annotations.get(SIGNATURE).cloned())
    };
    layers.iter().any(|other| other.digest == layer.digest && signature(other) == signature(layer))
}

/// Returns the existing signatures; an empty list if there are none.
async fn signatures(store: &Store, digest: &Digest) -> Result<Vec<OciDescriptor>> {
    let raw = match store.manifest(&signature_tag(digest)).await {
        Err(ArtifactError::NotFound { .. }) => return Ok(Vec::new()),
        raw => raw?,
    };
    let manifest: OciImageManifest = without_nulls(&raw.bytes, &["layers"]).map_err(|error| {
        unreadable(&store.reference().with_target(signature_tag(digest)), &error)
    })?;
    Ok(manifest.layers.into_iter().filter(|layer| layer.media_type == PAYLOAD_TYPE).collect())
}

async fn put(store: &Store, digest: &Digest, layers: Vec<OciDescriptor>) -> Result<()> {
    let tag = signature_tag(digest);
    let wrong =
        |error: serde_json::Error| unreadable(&store.reference().with_target(tag.clone()), &error);
    // The signatures are stored as an image without a platform, whose layers are the payloads.
    let layer_digests: Vec<_> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": layer_digests });
    let config = json!({ "architecture": "", "config": {}, "created": "0001-01-01T00:00:00Z", "os": "", "rootfs": rootfs });
    let config = serde_json::to_vec(&config).map_err(wrong)?;
    let blob = Blob::of(&config);
    store.put_blob(&blob, &Content::Bytes(config.into())).await?;
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: descriptor(IMAGE_CONFIG_MEDIA_TYPE, &blob),
        layers,
        ..OciImageManifest::default()
    };
    let bytes = serde_json::to_vec(&manifest).map_err(wrong)?;
    store
        .put_manifest(
            &tag,
            &RawManifest { media_type: OCI_IMAGE_MEDIA_TYPE.to_owned(), bytes: bytes.into() },
        )
        .await
        .map(drop)
}

fn unreadable(reference: &ArtifactRef, error: &serde_json::Error) -> ArtifactError {
    ArtifactError::NotAnAction {
        reference: reference.to_string(),
        why: format!("has signatures that cannot be read: {}", shown(&error.to_string())),
    }
}
