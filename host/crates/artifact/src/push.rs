//! Pushing a component, and giving an artifact another tag.

use super::component::Facts;
use super::error::{ArtifactError, Result};
use super::format::{self, About, Artifact};
use super::options::RegistryOptions;
use super::reference::{ArtifactRef, Target, parse_tag};
use super::store::{Blob, Content, Store};
use keynet_base::digest::Digest;

/// An artifact that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where it is, by digest.
    pub reference: ArtifactRef,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its component.
    pub component: Blob,
}

/// Pushes a component. A file is read twice, to name it and to send it, and never held whole.
///
/// What is there already is not sent; the tag appears when everything else is there. Pushing again
/// is always safe.
///
/// # Errors
/// `NotAComponent`, `WrongDigest` when `reference` asks for another digest than the artifact has,
/// and what registries and files answer with.
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

/// The digest that pushing this would give, without pushing it.
///
/// # Errors
/// `NotAComponent`, `Io`.
pub async fn digest(component: &Content, about: &About) -> Result<Digest> {
    prepare(component, about).await.map(|(_, artifact)| artifact.manifest.digest())
}

/// The version that the component says it has.
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

/// Gives the artifact `reference` the tag `tag` too, in the same repository; answers its digest.
///
/// # Errors
/// `NotFound`, and what registries and files answer with.
pub async fn tag(reference: &ArtifactRef, tag: &str, options: &RegistryOptions) -> Result<Digest> {
    let target = Target::Tag(parse_tag(tag)?);
    let store = Store::open(reference, options)?;
    let manifest = store.manifest(reference.target()).await?;
    store.put_manifest(&target, &manifest).await
}
