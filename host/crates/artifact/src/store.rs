//! Storage of manifests and blobs: a repository of a registry or a local layout, behind one type.

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::error::{ArtifactError, Result};
use super::layout::Layout;
use super::options::RegistryOptions;
use super::progress::{BlobEvent, Progress};
use super::reference::{ArtifactRef, Target};
use super::registry::Registry;
use keynet_base::OpenFile;
use keynet_base::digest::{Digest, Hasher};

/// Digest and size of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blob {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
}

/// Bytes copied at once.
const PIECE: usize = 1 << 20;
/// Largest manifest that is read, in bytes. A registry need not accept larger ones (distribution
/// specification, «Pushing manifests»).
pub(super) const MANIFEST_LIMIT: u64 = 4 << 20;

impl Blob {
    /// Returns the digest and size of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), size: bytes.len() as u64 }
    }
}

/// Digest and size of the bytes that were read, to be compared with those expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadBlob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl ReadBlob {
    /// Checks that the bytes are those of `blob`.
    ///
    /// # Errors
    /// `WrongSize` or `WrongDigest`.
    pub(super) fn expect(self, blob: &Blob, what: impl Fn() -> String) -> Result<()> {
        if self.size != blob.size {
            return Err(ArtifactError::WrongSize {
                what: what(),
                expected: blob.size,
                got: self.size,
            });
        }
        if self.digest != blob.digest {
            return Err(ArtifactError::WrongDigest {
                what: what(),
                expected: blob.digest,
                got: self.digest,
            });
        }
        Ok(())
    }
}

/// Source of the bytes of a blob that is to be stored.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// File that is read as it is sent and never held in memory whole.
    File(OpenFile),
}

impl Content {
    /// Opens a file as content.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::File(OpenFile::open(path).map_err(ArtifactError::io("open", path))?))
    }

    /// Returns the digest and size of the content. Blocks.
    ///
    /// # Errors
    /// [`ArtifactError::Io`].
    pub fn blob(&self) -> Result<Blob> {
        match self {
            Self::Bytes(bytes) => Ok(Blob::of(bytes)),
            Self::File(file) => {
                let read = file.digest().map(|(digest, size)| Blob { digest, size });
                read.map_err(ArtifactError::io("read", file.path()))
            }
        }
    }

    /// Returns the name of the content for errors.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Bytes(_) => "the component".to_owned(),
            Self::File(file) => file.path().display().to_string(),
        }
    }

    /// Checks that the content has the size of `blob`. A file that became shorter or longer would
    /// break the connection that it is sent over.
    pub(super) fn expect_size(&self, blob: &Blob) -> Result<()> {
        let got = match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.size().map_err(ArtifactError::io("read", file.path()))?,
        };
        if got == blob.size {
            Ok(())
        } else {
            Err(ArtifactError::WrongSize { what: self.name(), expected: blob.size, got })
        }
    }

    pub(super) fn expect(&self, blob: &Blob) -> Result<()> {
        let Blob { digest, size } = self.blob()?;
        ReadBlob { digest, size }.expect(blob, || self.name())
    }
}

/// Manifest, byte for byte as it is stored: its digest is that of these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// Media type.
    pub media_type: String,
    /// JSON text.
    pub bytes: Bytes,
}

impl RawManifest {
    /// Returns the digest of the manifest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Repository of a registry, or a layout. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Store {
    reference: ArtifactRef,
    kind: Kind,
    progress: Arc<dyn Progress>,
}

#[derive(Clone)]
enum Kind {
    Registry(Registry),
    Layout(Layout),
}

impl Store {
    /// Returns the store of the repository or layout that `reference` names. It does not contact
    /// the registry or create a folder yet.
    ///
    /// # Errors
    /// [`ArtifactError::Io`] and [`ArtifactError::Key`] for a certificate authority that cannot be
    /// read; [`ArtifactError::Host`] for a registry that is not allowed.
    pub fn open(reference: &ArtifactRef, options: &RegistryOptions) -> Result<Self> {
        let kind = match reference {
            ArtifactRef::Registry(registry) => Kind::Registry(Registry::new(registry, options)?),
            ArtifactRef::Layout(layout) => Kind::Layout(Layout::new(&layout.path)),
        };
        Ok(Self { reference: reference.clone(), kind, progress: options.progress.clone() })
    }

    /// Returns the reference that the store was opened with.
    pub fn reference(&self) -> &ArtifactRef {
        &self.reference
    }

    /// Reads the manifest of `target`, of any media type. Its bytes have the digest that was
    /// requested, or the digest that the registry announced.
    ///
    /// # Errors
    /// `NotFound`, `WrongDigest`, and the errors of registries and files.
    pub async fn manifest(&self, target: &Target) -> Result<RawManifest> {
        match &self.kind {
            Kind::Registry(registry) => registry.manifest(target, MANIFEST_LIMIT).await,
            Kind::Layout(layout) => {
                let target = target.clone();
                blocking(layout, move |layout| layout.manifest(&target, MANIFEST_LIMIT)).await
            }
        }
    }

    /// Reads the manifest that the store's own reference names.
    ///
    /// # Errors
    /// Those of [`Store::manifest`]; [`ArtifactError::NoTag`] if its tag is missing and others
    /// exist.
    pub async fn named_manifest(&self) -> Result<RawManifest> {
        let target = self.reference.target();
        let missing = match (self.manifest(target).await, target) {
            (Err(missing @ ArtifactError::NotFound { .. }), Target::Tag(_)) => missing,
            (result, _) => return result,
        };
        let ArtifactError::NotFound { place, .. } = &missing else { return Err(missing) };
        let is_of_a_person = |tag: &String| !tag.starts_with("sha256-");
        let tags = self.tags().await.unwrap_or_default();
        let tags: Vec<String> = tags.into_iter().filter(is_of_a_person).collect();
        match target.tag() {
            Some(tag) if !tags.is_empty() => {
                Err(ArtifactError::NoTag { tag: tag.to_owned(), place: place.clone(), tags })
            }
            _ => Err(missing),
        }
    }

    /// Stores a manifest under a tag, or under its digest alone. All blobs and manifests that it
    /// names must exist.
    ///
    /// # Errors
    /// `WrongDigest` if `target` has another digest than the manifest.
    pub async fn put_manifest(&self, target: &Target, manifest: &RawManifest) -> Result<Digest> {
        let got = manifest.digest();
        if let Some(expected) = target.pinned().filter(|pinned| **pinned != got) {
            return Err(ArtifactError::WrongDigest {
                what: "the manifest to be pushed".to_owned(),
                expected: *expected,
                got,
            });
        }
        match &self.kind {
            Kind::Registry(registry) => registry.put_manifest(target, manifest).await,
            Kind::Layout(layout) => {
                let (target, manifest) = (target.clone(), manifest.clone());
                blocking(layout, move |layout| layout.put_manifest(&target, &manifest)).await
            }
        }
    }

    /// Reports whether the blob exists; for a layout, also whether it is undamaged.
    ///
    /// # Errors
    /// Those of registries and files.
    pub async fn has_blob(&self, blob: &Blob) -> Result<bool> {
        match &self.kind {
            Kind::Registry(registry) => registry.has_blob(blob).await,
            Kind::Layout(layout) => {
                let blob = *blob;
                blocking(layout, move |layout| layout.has_blob(&blob)).await
            }
        }
    }

    /// Stores a blob unless it exists. Reports to [`Progress`].
    ///
    /// # Errors
    /// `WrongDigest` and `WrongSize` if the content does not match the blob, for example because
    /// the file changed.
    pub async fn put_blob(&self, blob: &Blob, content: &Content) -> Result<()> {
        if self.has_blob(blob).await? {
            self.progress.blob(blob, BlobEvent::Exists);
            return Ok(());
        }
        match &self.kind {
            Kind::Registry(registry) => registry.put_blob(blob, content).await,
            Kind::Layout(layout) => {
                let (blob, content, progress) = (*blob, content.clone(), self.progress.clone());
                blocking(layout, move |layout| {
                    layout.put_blob(&blob, &content, &mut |at| {
                        progress.blob(&blob, BlobEvent::At(at))
                    })?;
                    progress.blob(&blob, BlobEvent::Done);
                    Ok(())
                })
                .await
            }
        }
    }

    /// Mounts the blob from another repository of the same registry, without sending it. Returns
    /// false if the registry does not support that: the caller must then store it. A layout has one
    /// set of blobs for all repositories, and this reports whether the blob exists.
    ///
    /// # Errors
    /// Those of registries and files.
    pub async fn mount_blob(&self, blob: &Blob, from_repository: &str) -> Result<bool> {
        let mounted = match &self.kind {
            Kind::Registry(registry) => registry.mount_blob(blob, from_repository).await?,
            Kind::Layout(_) => self.has_blob(blob).await?,
        };
        if mounted {
            self.progress.blob(blob, BlobEvent::Mounted);
        }
        Ok(mounted)
    }

    /// Writes the blob to `into` as it arrives, and checks its size and digest. After an error the
    /// caller must discard what was written.
    ///
    /// # Errors
    /// `NotFound`, `WrongDigest`, `WrongSize`, and the errors of registries and files.
    pub async fn get_blob(
        &self,
        blob: &Blob,
        into: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<()> {
        match &self.kind {
            Kind::Registry(registry) => registry.get_blob(blob, into).await,
            Kind::Layout(layout) => self.read_file(layout, blob, into).await,
        }
    }

    async fn read_file(
        &self,
        layout: &Layout,
        blob: &Blob,
        into: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> Result<()> {
        let wanted = *blob;
        let file = blocking(layout, move |layout| layout.open_blob(&wanted)).await?;
        let what = || format!("the blob {} of {}", blob.digest, self.reference);
        let failed = |answered| ArtifactError::Io { doing: "copy", path: what().into(), answered };
        let mut file = tokio::fs::File::from_std(file).take(blob.size);
        file.get_mut().set_max_buf_size(PIECE);
        let (mut hasher, mut size, mut piece) =
            (Hasher::default(), 0, BytesMut::with_capacity(PIECE));
        while file.read_buf(&mut piece).await.map_err(failed)? > 0 {
            hasher.update(&piece);
            into.write_all(&piece).await.map_err(failed)?;
            size += piece.len() as u64;
            self.progress.blob(blob, BlobEvent::At(size));
            piece.clear();
        }
        into.flush().await.map_err(failed)?;
        ReadBlob { digest: hasher.finish(), size }.expect(blob, what)?;
        self.progress.blob(blob, BlobEvent::Done);
        Ok(())
    }

    /// Returns the blob in memory, at most `limit` bytes.
    ///
    /// # Errors
    /// Those of [`Store::get_blob`], and `TooLarge`.
    pub async fn blob_bytes(&self, blob: &Blob, limit: u64) -> Result<Vec<u8>> {
        if blob.size > limit {
            let what = format!("the blob {} of {}", blob.digest, self.reference);
            return Err(ArtifactError::TooLarge { what, size: blob.size, limit });
        }
        // Reserve only a little before anything arrives: the announced size is untrusted.
        let mut bytes = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0).min(PIECE));
        self.get_blob(blob, &mut bytes).await?;
        Ok(bytes)
    }

    /// Returns the list of manifests that refer to `digest` (an image index); `None` if the
    /// registry does not maintain such a list.
    pub(super) async fn referrers(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        match &self.kind {
            Kind::Registry(registry) => registry.referrers(digest, MANIFEST_LIMIT).await,
            Kind::Layout(layout) => {
                let digest = *digest;
                blocking(layout, move |layout| layout.referrers(&digest, MANIFEST_LIMIT)).await
            }
        }
    }

    /// Returns the tags, sorted. At most the first ten thousand are requested from a registry.
    ///
    /// # Errors
    /// Those of registries and files.
    pub async fn tags(&self) -> Result<Vec<String>> {
        match &self.kind {
            Kind::Registry(registry) => registry.tags().await,
            Kind::Layout(layout) => blocking(layout, Layout::tags).await,
        }
    }
}

/// Runs file operations on the blocking thread pool.
async fn blocking<T: Send + 'static>(
    layout: &Layout,
    work: impl FnOnce(&Layout) -> Result<T> + Send + 'static,
) -> Result<T> {
    let layout = layout.clone();
    let done = tokio::task::spawn_blocking(move || work(&layout)).await;
    done.map_err(|error| ArtifactError::Io {
        doing: "work with",
        path: "a layout".into(),
        answered: std::io::Error::other(error),
    })?
}
