//! A local OCI image layout: a folder with `oci-layout`, `index.json` and `blobs/sha256/…`.
//!
//! Files appear complete or not at all: they are written under `.incoming`, synced, and renamed. A
//! writer holds a lock on its unfinished file. The file of a killed writer is therefore unlocked,
//! and the next writer removes it. The index is changed under a lock of its own.
//! <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{ArtifactError, Result};
use super::nulls::null_is_default;
use super::reference::Target;
use super::store::{Blob, Content, RawManifest, ReadBlob};
use keynet_base::digest::{Digest, Hasher};

const REF_NAME: &str = oci_distribution::annotations::ORG_OPENCONTAINERS_IMAGE_REF_NAME;
const MARKER: &str = "oci-layout";
const MARKER_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const INDEX_LIMIT: u64 = 16 << 20;
const LOCK: &str = ".index.lock";
const INCOMING: &str = ".incoming";
const PIECE: usize = 1 << 20;

/// OCI image layout in a folder. Every method blocks.
#[derive(Debug, Clone)]
pub(super) struct Layout(PathBuf);

/// `index.json`. Members that other tools wrote are kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<Entry>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Map::is_empty", deserialize_with = "null_is_default")]
    annotations: Map<String, Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Entry {
    fn tag(&self) -> Option<&str> {
        self.annotations.get(REF_NAME).and_then(Value::as_str)
    }
}

impl Layout {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the manifest with a tag or a digest.
    pub(super) fn manifest(&self, target: &Target, limit: u64) -> Result<RawManifest> {
        let index = self.index()?;
        let entry = match target {
            Target::Tag(tag) => index.manifests.iter().find(|entry| entry.tag() == Some(tag)),
            Target::Digest { digest, .. } => {
                index.manifests.iter().find(|entry| entry.digest == digest.to_string())
            }
        };
        let entry = entry.ok_or_else(|| self.missing(describe(target)))?;
        let digest: Digest = entry.digest.parse().map_err(|error| self.damaged(INDEX, &error))?;
        let bytes = self.read_blob(&Blob { digest, size: entry.size }, limit)?;
        Ok(RawManifest { media_type: entry.media_type.clone(), bytes: bytes.into() })
    }

    /// Returns the list of manifests that refer to `digest`: entries of the index whose manifests
    /// have it as their subject. `None` if there are none; the caller then looks for the fallback
    /// tag.
    pub(super) fn referrers(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>> {
        const LOOKED_AT: usize = 1024;
        let of_subject = |entry: &&Entry| {
            let Ok(own) = entry.digest.parse() else { return false };
            let Ok(text) = self.read_blob(&Blob { digest: own, size: entry.size }, limit) else {
                return false;
            };
            let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
            let subject =
                manifest.get("subject").and_then(|subject| subject.get("digest")?.as_str());
            subject == Some(&digest.to_string())
        };
        let mut index = self.index()?;
        index.manifests =
            index.manifests.iter().take(LOOKED_AT).filter(of_subject).cloned().collect();
        if index.manifests.is_empty() {
            return Ok(None);
        }
        serde_json::to_vec(&index).map(Some).map_err(|error| self.damaged(INDEX, &error))
    }

    /// Returns the tags, sorted.
    pub(super) fn tags(&self) -> Result<Vec<String>> {
        let mut tags: Vec<_> =
            self.index()?.manifests.iter().filter_map(Entry::tag).map(str::to_owned).collect();
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// Stores a manifest and gives it the tag of `target`. The manifest that had the tag before
    /// stays in the index without a tag.
    pub(super) fn put_manifest(&self, target: &Target, manifest: &RawManifest) -> Result<Digest> {
        let blob = Blob::of(&manifest.bytes);
        if !self.has_blob(&blob)? {
            self.put_blob(&blob, &Content::Bytes(manifest.bytes.clone()), &mut |_| {})?;
        }
        let entry = Entry {
            media_type: manifest.media_type.clone(),
            digest: blob.digest.to_string(),
            size: blob.size,
            annotations: Map::new(),
            rest: Map::new(),
        };
        let _lock = self.lock()?;
        let mut index = self.index()?;
        let tag = if let Target::Tag(tag) = target { Some(tag.as_str()) } else { None };
        place(&mut index.manifests, entry, tag);
        let text =
            serde_json::to_vec_pretty(&index).map_err(|error| self.damaged(INDEX, &error))?;
        self.write(&self.0.join(INDEX), &text)?;
        Ok(blob.digest)
    }

    /// Reports whether the blob is present, complete and undamaged.
    pub(super) fn has_blob(&self, blob: &Blob) -> Result<bool> {
        let file = match self.open_blob(blob) {
            Ok(file) => file,
            Err(ArtifactError::NotFound { .. } | ArtifactError::WrongSize { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let found = Digest::of_reader(file)
            .map_err(ArtifactError::io("read", &self.blob_path(&blob.digest)))?;
        Ok(found == (blob.digest, blob.size))
    }

    /// Stores a blob, replacing a damaged one. `moved` is called with the number of bytes written.
    pub(super) fn put_blob(
        &self,
        blob: &Blob,
        content: &Content,
        moved: &mut dyn FnMut(u64),
    ) -> Result<()> {
        self.make()?;
        let path = self.blob_path(&blob.digest);
        let mut incoming = Incoming::new(&self.0.join(INCOMING))?;
        let found = match content {
            Content::Bytes(bytes) => copy(&mut &bytes[..], &mut incoming.file, moved)
                .map_err(ArtifactError::io("write", &incoming.path))?,
            Content::File(source) => copy(&mut source.reader(), &mut incoming.file, moved)
                .map_err(ArtifactError::io("copy", source.path()))?,
        };
        let what = || match content {
            Content::Bytes(_) => format!("the blob {}", blob.digest),
            Content::File(source) => source.path().display().to_string(),
        };
        found.expect(blob, what)?;
        incoming.become_file(&path)
    }

    /// Opens the blob's file and checks its size; the caller must check its content.
    pub(super) fn open_blob(&self, blob: &Blob) -> Result<File> {
        self.check_folders()?;
        let path = self.blob_path(&blob.digest);
        let nofollow = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(nofollow).unwrap_or(0))
            .open(&path);
        let file = opened.map_err(|error| match error.raw_os_error() {
            Some(_) if error.kind() == ErrorKind::NotFound => {
                self.missing(format!("blob {}", blob.digest))
            }
            Some(number) if number == rustix::io::Errno::LOOP.raw_os_error() => {
                ArtifactError::Layout {
                    path: path.clone(),
                    why: "a blob must not be a symbolic link".to_owned(),
                }
            }
            _ => ArtifactError::io("open", &path)(error),
        })?;
        let metadata = file.metadata().map_err(ArtifactError::io("read", &path))?;
        if !metadata.is_file() {
            return Err(ArtifactError::Layout { path, why: "a blob must be a file".to_owned() });
        }
        if metadata.len() != blob.size {
            return Err(ArtifactError::WrongSize {
                what: path.display().to_string(),
                expected: blob.size,
                got: metadata.len(),
            });
        }
        Ok(file)
    }

    /// Checks that the blob folders are in the layout itself and not symbolic links.
    fn check_folders(&self) -> Result<()> {
        for folder in ["blobs", "blobs/sha256", INCOMING] {
            let path = self.0.join(folder);
            if std::fs::symlink_metadata(&path).is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(ArtifactError::Layout { path, why: "it is no folder".to_owned() });
            }
        }
        Ok(())
    }

    fn read_blob(&self, blob: &Blob, limit: u64) -> Result<Vec<u8>> {
        let path = self.blob_path(&blob.digest);
        if blob.size > limit {
            return Err(ArtifactError::TooLarge {
                what: path.display().to_string(),
                size: blob.size,
                limit,
            });
        }
        let mut bytes = Vec::new();
        self.open_blob(blob)?
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(ArtifactError::io("read", &path))?;
        ReadBlob { digest: Digest::of(&bytes), size: bytes.len() as u64 }
            .expect(blob, || path.display().to_string())?;
        Ok(bytes)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }

    fn index(&self) -> Result<Index> {
        let read = |name: &str, limit: u64| {
            let path = self.0.join(name);
            let text = File::open(&path).and_then(|file| {
                let mut text = Vec::new();
                file.take(limit).read_to_end(&mut text).map(|_| text)
            });
            text.map_err(|error| match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => ArtifactError::NotFound {
                    what: format!("OCI image layout (no {name})"),
                    place: self.0.display().to_string(),
                },
                _ => ArtifactError::io("read", &path)(error),
            })
        };
        let marker: Map<String, Value> = serde_json::from_slice(&read(MARKER, 1 << 16)?)
            .map_err(|error| self.damaged(MARKER, &error))?;
        match marker.get("imageLayoutVersion").and_then(Value::as_str) {
            Some("1.0.0") => {}
            version => {
                return Err(
                    self.damaged(MARKER, &format!("version 1.0.0 is needed, not {version:?}"))
                );
            }
        }
        serde_json::from_slice(&read(INDEX, INDEX_LIMIT)?)
            .map_err(|error| self.damaged(INDEX, &error))
    }

    /// Creates the missing parts of a layout, and removes files that killed writers left.
    fn make(&self) -> Result<()> {
        let blobs = self.0.join("blobs/sha256");
        let incoming = self.0.join(INCOMING);
        for folder in [&blobs, &incoming] {
            std::fs::create_dir_all(folder)
                .map_err(ArtifactError::io("make the folder", folder))?;
        }
        self.check_folders()?;
        remove_abandoned(&incoming);
        let index = Index { schema_version: 2, manifests: Vec::new(), rest: Map::new() };
        let index =
            serde_json::to_vec_pretty(&index).map_err(|error| self.damaged(INDEX, &error))?;
        for (name, text) in [(INDEX, &index[..]), (MARKER, MARKER_TEXT.as_bytes())] {
            let path = self.0.join(name);
            if !path.exists() {
                let _lock = self.lock()?;
                if !path.exists() {
                    self.write(&path, text)?;
                }
            }
        }
        Ok(())
    }

    fn write(&self, path: &Path, text: &[u8]) -> Result<()> {
        let mut incoming = Incoming::new(&self.0.join(INCOMING))?;
        incoming.file.write_all(text).map_err(ArtifactError::io("write", &incoming.path))?;
        incoming.become_file(path)
    }

    /// Takes the lock of the index; it is released when the file is dropped or the process ends.
    fn lock(&self) -> Result<File> {
        let path = self.0.join(LOCK);
        let locked = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .and_then(|file| file.lock().map(|()| file));
        locked.map_err(ArtifactError::io("lock", &path))
    }

    fn missing(&self, what: String) -> ArtifactError {
        ArtifactError::NotFound { what, place: format!("oci-layout:{}", self.0.display()) }
    }

    fn damaged(&self, name: &str, why: &dyn std::fmt::Display) -> ArtifactError {
        ArtifactError::Layout { path: self.0.join(name), why: why.to_string() }
    }
}

/// Inserts a manifest's entry into an index. A manifest has one entry for each of its tags, or one
/// without a tag.
fn place(entries: &mut Vec<Entry>, mut entry: Entry, tag: Option<&str>) {
    let Some(tag) = tag else {
        if !entries.iter().any(|other| other.digest == entry.digest) {
            entries.push(entry);
        }
        return;
    };
    for other in entries.iter_mut().filter(|other| other.tag() == Some(tag)) {
        other.annotations.remove(REF_NAME);
    }
    entry.annotations.insert(REF_NAME.to_owned(), tag.into());
    entries.push(entry);
    let tagged: Vec<_> = entries
        .iter()
        .filter(|entry| entry.tag().is_some())
        .map(|entry| entry.digest.clone())
        .collect();
    let mut seen = tagged;
    entries.retain(|entry| {
        let keep = entry.tag().is_some() || !seen.contains(&entry.digest);
        seen.push(entry.digest.clone());
        keep
    });
}

fn describe(target: &Target) -> String {
    match target {
        Target::Tag(tag) => format!("tag {tag:?}"),
        Target::Digest { digest, .. } => format!("manifest {digest}"),
    }
}

fn copy(
    from: &mut dyn io::Read,
    to: &mut File,
    moved: &mut dyn FnMut(u64),
) -> io::Result<ReadBlob> {
    let (mut hasher, mut size, mut buffer) = (Hasher::default(), 0, vec![0; PIECE]);
    loop {
        let read = from.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            return Ok(ReadBlob { digest: hasher.finish(), size });
        };
        hasher.update(piece);
        to.write_all(piece)?;
        size += piece.len() as u64;
        moved(size);
    }
}

/// Unfinished file that is not yet visible under its final name. It is removed if it is dropped
/// before it is renamed; the file of a killed process is recognised by being unlocked, and is
/// removed by the next writer.
struct Incoming {
    path: PathBuf,
    file: File,
}

impl Incoming {
    fn new(folder: &Path) -> Result<Self> {
        loop {
            let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)
                .map_err(ArtifactError::io("make", &path))?;
            file.lock().map_err(ArtifactError::io("lock", &path))?;
            // A cleaning writer may have removed the file before it was locked.
            if file.metadata().map_err(ArtifactError::io("read", &path))?.nlink() > 0 {
                return Ok(Self { path, file });
            }
        }
    }

    /// Renames the file to its final name and syncs the folder, so that it survives a loss of
    /// power.
    fn become_file(mut self, path: &Path) -> Result<()> {
        let renamed = self
            .file
            .flush()
            .and_then(|()| self.file.sync_all())
            .and_then(|()| std::fs::rename(&self.path, path));
        renamed.map_err(ArtifactError::io("write", path))?;
        self.path = PathBuf::new();
        let folder = path.parent().unwrap_or(path);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(ArtifactError::io("write", folder))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes unfinished files whose writers are gone. A file that cannot be removed is left for the
/// next writer.
fn remove_abandoned(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            // The lock is still held: a writer that has just created the file waits for the lock,
            // and then notices that the file is gone.
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests;
