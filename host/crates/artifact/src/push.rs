//! Pushing a component, and tagging an artifact.

use super::component::Facts;
use super::error::{ArtifactError, Result};
use super::format::{self, About, Artifact};
use super::options::RegistryOptions;
use super::reference::{ArtifactRef, Target, parse_tag};
use super::store::{Blob, Content, Store};
use keynet_base::digest::Digest;

/// Artifact that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Reference of the artifact, by digest.
    pub reference: ArtifactRef,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Digest and size of its component.
    pub component: Blob,
}

/// Pushes a component. A file is read twice, once to compute its digest and once to send it, and is
/// never held in memory whole.
///
/// Content that the store already has is not sent; the tag is set after everything else is stored.
/// Pushing again is always safe.
///
/// # Errors
/// `NotAComponent`, `WrongDigest` if `reference` has another digest than the artifact, and the
/// errors of registries and files.
pub async fn push(
    component: &Content,
    about: &About,
    reference: &ArtifactRef,
    options: &RegistryOptions,
) -> Result<Pushed> {
    let (blob, artifact) = prepare(component, about).await?;
    let digest = artifact.manifest.digest();
    if let Some(expected) = reference.target().pinned().filter(|pinned| **pinned != digest) {
        return Err(ArtifactError::WrongDigest {
            what: format!("the artifact of {}", component.name()),
            expected: *expected,
            got: digest,
        });
    }
    let store = Store::open(reference, options)?;
    store.put_blob(&blob, component).await?;
    store.put_blob(&Blob::of(&artifact.config), &Content::Bytes(artifact.config.into())).await?;
    let target = reference
        .target()
        .tag()
        .map_or_else(|| Target::digest(digest), |tag| Target::Tag(tag.to_owned()));
    store.put_manifest(&target, &artifact.manifest).await?;
    Ok(Pushed { reference: reference.pinned_to(digest), digest, component: blob })
}

/// Returns the digest that a push would give, without pushing.
///
/// # Errors
/// `NotAComponent`, `Io`.
pub async fn digest(component: &Content, about: &About) -> Result<Digest> {
    prepare(component, about).await.map(|(_, artifact)| artifact.manifest.digest())
}

/// Returns the version in the component's metadata.
///
/// # Errors
/// `NotAComponent`, `Io`.
pub async fn version(component: &Content) -> Result<Option<String>> {
    let content = component.clone();
    let read = tokio::task::spawn_blocking(move || Facts::of(&content)).await;
    let facts = read.map_err(|error| ArtifactError::NotAComponent {
        path: component.name(),
        why: error.to_string(),
    })??;
    Ok(facts
        .metadata
        .get("version")
        .map(|version| version.trim().to_owned())
        .filter(|version| !version.is_empty()))
}

async fn prepare(component: &Content, about: &About) -> Result<(Blob, Artifact)> {
    let (content, about) = (component.clone(), about.clone());
    let prepared = tokio::task::spawn_blocking(move || {
        let facts = Facts::of(&content)?;
        let blob = content.blob()?;
        let wrong = |error: serde_json::Error| ArtifactError::NotAComponent {
            path: content.name(),
            why: error.to_string(),
        };
        Ok((blob, format::artifact(&blob, facts, &about).map_err(wrong)?))
    });
    prepared.await.map_err(|error| ArtifactError::NotAComponent {
        path: component.name(),
        why: error.to_string(),
    })?
}

/// Gives the artifact `reference` the additional tag `tag` in the same repository, and returns its
/// digest.
///
/// # Errors
/// `NotFound`, and the errors of registries and files.
pub async fn tag(reference: &ArtifactRef, tag: &str, options: &RegistryOptions) -> Result<Digest> {
    let target = Target::Tag(parse_tag(tag)?);
    let store = Store::open(reference, options)?;
    let manifest = store.named_manifest().await?;
    store.put_manifest(&target, &manifest).await
}
