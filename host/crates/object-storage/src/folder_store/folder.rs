//! [`Folder`]: objects in a folder, behind [`object_store::ObjectStore`].

use std::fmt;
use std::io::Write as _;
use std::num::NonZero;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, CopyMode, CopyOptions, Extensions, GetOptions, GetResult,
    GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rustix::fs::{AtFlags, unlinkat};

use super::super::failure::carry;
use super::super::{ContentType, ObjectKey};
use super::multipart::FolderUpload;
use super::quota::Quota;
use super::sidecar;
use super::staging::{FolderLock, Staged, Staging};
use super::tree::{Fault, Tree, Version};
use super::walk::objects_after;
use keynet_base::blocking::BlockingQueue;
use keynet_base::error::Error;
use keynet_base::quote::shown;

const STORE: &str = "Folder";
const LIST_CHUNK: usize = 1000;
const WRITE_CHUNK: usize = 1 << 20;
const MAX_ATTEMPTS: u32 = 100;

/// Objects in a folder: one file per object, whose path is the key. Cheap to clone; any number of
/// processes may use one folder.
///
/// * A write goes to a file under `.keynet/staging` and becomes the object by one rename: a partial
///   object is never visible, even if the writer is killed. (It is not synchronised to the disk:
///   after a loss of power the last objects may be missing or empty.)
/// * Conditions are checked and objects replaced under a lock of the folder, which every process
///   that uses it through this type takes.
/// * Content types are stored beside the objects (under `.keynet/types`). Files that a person
///   copied into the folder are objects too; their content type is guessed from the extension.
/// * Symbolic links below the folder are refused: they are neither read, written through, replaced
///   nor listed. No step of a path follows one, so there is no race between check and use.
/// * Listings are in the order of the keys' bytes. Every page reads the folders it touches again.
#[derive(Debug, Clone)]
pub struct Folder {
    pub(super) inner: Arc<Inner>,
}

/// Opened file of an object, with its metadata.
pub(super) struct OpenFile {
    pub(super) file: std::fs::File,
    pub(super) meta: ObjectMeta,
    pub(super) content_type: Option<ContentType>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) tree: Tree,
    quota: Option<Arc<Quota>>,
    staging: Arc<Staging>,
    lock: FolderLock,
    reading: Arc<BlockingQueue>,
    pub(super) writing: Arc<BlockingQueue>,
}

impl Folder {
    /// Opens `folder`, creating it if it is missing, and removes unfinished files of dead writers.
    /// Blocks.
    ///
    /// # Errors
    /// `unavailable`, naming the folder, for the operator.
    pub fn open(folder: &FilePath) -> keynet_base::error::Result<Self> {
        Self::open_within(folder, None)
    }

    /// Opens `folder` as [`open`](Self::open) does. Its objects and unfinished writes have at most
    /// `most` bytes; a write that needs more fails with `too-large`.
    ///
    /// # Errors
    /// `unavailable`, naming the folder, for the operator.
    pub fn open_within(folder: &FilePath, most: Option<u64>) -> keynet_base::error::Result<Self> {
        let opened = || {
            let tree = Tree::open(folder)?;
            let staging = Staging::open(&tree)?;
            let lock = FolderLock::open(&tree)?;
            let quota = most.map(|most| Arc::new(Quota::new(most)));
            // What is read is mostly in the system's memory: more threads would only disturb others.
            let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
            let reading = BlockingQueue::new(processors / 2);
            let writing = BlockingQueue::new(processors);
            Ok(Self { inner: Arc::new(Inner { tree, quota, staging, lock, reading, writing }) })
        };
        opened().map_err(|fault: Fault| {
            let why = match fault {
                Fault::Io(error) => error.to_string(),
                Fault::Link => "its `.keynet` is, or holds, a symbolic link".to_owned(),
                Fault::NotAFolder => "it, or its `.keynet`, is a file".to_owned(),
                other => format!("{other:?}"),
            };
            Error::unavailable(format!(
                "the storage folder {} cannot be opened to read and write: {why}",
                folder.display()
            ))
        })
    }

    /// Returns the real path of the folder.
    pub fn path(&self) -> &FilePath {
        self.inner.tree.path()
    }

    /// Returns the path of the file of the object `key`, which need not exist.
    pub fn path_of(&self, key: &ObjectKey) -> PathBuf {
        self.path().join(key.as_str())
    }

    /// Opens an object to read from its file.
    ///
    /// # Errors
    /// The errors of [`object_store`], with the key in place of a path.
    pub(super) async fn open_file(&self, key: &Path) -> Result<OpenFile> {
        checked(key)?;
        let key = key.clone();
        let inner = Arc::clone(&self.inner);
        let opening = self.inner.reading.run_quick(move || {
            let (file, version, content_type) = inner.get(key.as_ref())?;
            Ok(OpenFile { file, meta: version.meta(key), content_type })
        });
        opening.await
    }

    /// Runs blocking work off the asynchronous threads.
    async fn blocking<T: Send + 'static>(
        &self,
        queue: &Arc<BlockingQueue>,
        work: impl FnOnce(&Inner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        queue.run(move || work(&inner)).await
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE) // the path is not shown to actions
    }
}

impl Inner {
    /// Creates an empty file that is no object yet.
    fn stage(&self) -> std::result::Result<Staged, Fault> {
        self.staging.file(self.quota.as_ref())
    }

    /// Opens an object: its file, the version of its content, and the content type of that version.
    fn get(&self, key: &str) -> Result<(std::fs::File, Version, Option<ContentType>)> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (file, version) = self.tree.file(key).map_err(|fault| reading(key, fault))?;
            if let Some(content_type) = sidecar::read(&self.tree, key, &version) {
                return Ok((file, version, Some(content_type)));
            }
            // No content type was ever stored, or the object was replaced since it was opened (or a
            // person keeps writing to the file).
            if attempts == MAX_ATTEMPTS || self.tree.version(key).is_ok_and(|now| now == version) {
                return Ok((file, version, ContentType::guess(key)));
            }
        }
    }

    /// Publishes a finished file as the object `key`, if `mode` allows.
    pub(super) fn publish(
        &self,
        key: &str,
        mut staged: Staged,
        mode: &PutMode,
        content_type: &Attributes,
    ) -> Result<PutResult> {
        // An empty object takes room, too.
        staged.share.grow(&self.tree, 0).map_err(|fault| writing(key, fault))?;
        let version = staged.seal().map_err(|error| writing(key, error.into()))?;
        let content_type = content_type.get(&Attribute::ContentType).map(|value| &**value);
        self.lock.hold(|| {
            let replaced = match self.tree.version(key) {
                Ok(version) => Some(version),
                Err(Fault::Missing) => None,
                // Empty folders are not objects: they are removed.
                Err(Fault::IsAFolder) if self.tree.remove_if_empty(key) => None,
                Err(fault) => return Err(writing(key, fault)),
            };
            check(key, mode, replaced.as_ref())?;
            let place = || {
                if let Some(content_type) = content_type {
                    sidecar::write(&self.tree, key, &version, content_type)?;
                }
                let (parent, name) = self.tree.parent(key, true)?;
                match mode {
                    PutMode::Create => staged.create(&parent, name),
                    _ => staged.replace(&parent, name),
                }
            };
            let placed = place().map_err(|fault| match fault {
                Fault::Taken => exists(key),
                other => writing(key, other),
            });
            if placed.is_ok() {
                staged.share.publish(replaced.as_ref().map(|replaced| replaced.size));
            }
            match (&placed, replaced) {
                (Ok(()), Some(replaced)) => sidecar::remove(&self.tree, key, &replaced),
                (Ok(()), None) => {}
                (Err(_), _) => sidecar::remove(&self.tree, key, &version),
            }
            placed.map(|()| PutResult {
                e_tag: Some(version.etag()),
                version: None,
                extensions: Default::default(),
            })
        })
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.lock.hold(|| {
            let version = self.tree.version(key).map_err(|fault| reading(key, fault))?;
            let (parent, name) =
                self.tree.parent(key, false).map_err(|fault| reading(key, fault))?;
            unlinkat(&parent, name, AtFlags::empty())
                .map_err(|errno| reading(key, errno.into()))?;
            if let Some(quota) = &self.quota {
                quota.removed(version.size);
            }
            sidecar::remove(&self.tree, key, &version);
            self.tree.prune(key);
            Ok(())
        })
    }

    fn copy(&self, from: &str, to: &str, mode: &PutMode) -> Result<PutResult> {
        let (mut source, version, content_type) = self.get(from)?;
        let mut staged = self.stage().map_err(|fault| writing(to, fault))?;
        staged.share.grow(&self.tree, version.size).map_err(|fault| writing(to, fault))?;
        std::io::copy(&mut source, &mut staged.file).map_err(|error| writing(to, error.into()))?;
        let content_type =
            content_type.map(|known| (Attribute::ContentType, known.as_str().to_owned()));
        self.publish(to, staged, mode, &Attributes::from_iter(content_type))
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let key = checked(location)?;
        // Stops writing when the caller has gone away (its deadline passed).
        let abandoned = Arc::new(AtomicBool::new(false));
        let waiting = OnDrop(Arc::clone(&abandoned));
        let done = self.blocking(&self.inner.writing, move |inner| {
            let mut staged = inner.stage().map_err(|fault| writing(&key, fault))?;
            let length = payload.content_length() as u64;
            staged.share.grow(&inner.tree, length).map_err(|fault| writing(&key, fault))?;
            let go_on = || match abandoned.load(Ordering::Relaxed) {
                true => Err(carry(Error::timeout("the write was abandoned"))),
                false => Ok(()),
            };
            for chunk in payload.iter().flat_map(|bytes| bytes.chunks(WRITE_CHUNK)) {
                go_on()?;
                staged.file.write_all(chunk).map_err(|error| writing(&key, error.into()))?;
            }
            go_on()?;
            inner.publish(&key, staged, &options.mode, &options.attributes)
        });
        let done = done.await;
        drop(waiting);
        done
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let key = checked(location)?;
        let staged = self
            .blocking(&self.inner.writing, |inner| {
                inner.stage().map_err(|fault| writing("", fault))
            })
            .await?;
        Ok(Box::new(FolderUpload::new(Arc::clone(&self.inner), key, options.attributes, staged)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let OpenFile { file, meta, content_type } = self.open_file(location).await?;
        options.check_preconditions(&meta)?;
        let range = match options.range {
            Some(range) => range
                .as_range(meta.size)
                .map_err(|error| carry(Error::invalid(error.to_string())))?,
            None => 0..meta.size,
        };
        // Where its content is read.
        let mut extensions = Extensions::new();
        extensions.insert(Arc::clone(&self.inner.reading));
        Ok(GetResult {
            // used only in error texts
            payload: GetResultPayload::File(file, PathBuf::from(location.as_ref())),
            attributes: Attributes::from_iter(
                content_type.map(|known| (Attribute::ContentType, known.as_str().to_owned())),
            ),
            range,
            meta,
            extensions,
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Path| {
            let store = store.clone();
            async move {
                checked(&location)?;
                store
                    .blocking(&store.inner.writing, move |inner| {
                        inner.delete(location.as_ref()).map(|()| location)
                    })
                    .await
            }
        };
        locations.and_then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_with_offset(prefix, &Path::ROOT)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let folder = prefix.map(ToString::to_string).unwrap_or_default();
        let chunks = stream::try_unfold(Some(offset.to_string()), move |after| {
            let (store, folder) = (store.clone(), folder.clone());
            async move {
                let Some(after) = after else { return Ok::<_, object_store::Error>(None) };
                let chunk = store
                    .blocking(&store.inner.reading, move |inner| {
                        objects_after(&inner.tree, &folder, &after, LIST_CHUNK)
                            .map_err(|fault| reading(&folder, fault))
                    })
                    .await?;
                let last = chunk.get(LIST_CHUNK - 1).map(|meta| meta.location.to_string());
                Ok(Some((stream::iter(chunk.into_iter().map(Ok)), last)))
            }
        });
        chunks.try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let root = Path::ROOT;
        let prefix = prefix.unwrap_or(&root);
        let mut listed = ListResult {
            common_prefixes: Vec::new(),
            objects: Vec::new(),
            extensions: Default::default(),
        };
        let mut all = self.list(Some(prefix));
        while let Some(meta) = all.try_next().await? {
            let mut below = meta.location.prefix_match(prefix).into_iter().flatten();
            let (first, second) = (below.next(), below.next());
            match (first, second) {
                (Some(folder), Some(_)) => {
                    let folder = prefix.clone().join(folder);
                    if listed.common_prefixes.last() != Some(&folder) {
                        listed.common_prefixes.push(folder);
                    }
                }
                _ => {
                    drop(below);
                    listed.objects.push(meta);
                }
            }
        }
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        let (from, to) = (checked(from)?, checked(to)?);
        self.blocking(&self.inner.writing, move |inner| inner.copy(&from, &to, &mode).map(drop))
            .await
    }
}

/// Checks that a path is a valid key, which excludes everything under `.keynet`.
fn checked(path: &Path) -> Result<String> {
    ObjectKey::parse(path.as_ref()).map(|key| key.as_str().to_owned()).map_err(carry)
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn check(key: &str, mode: &PutMode, there: Option<&Version>) -> Result<()> {
    match (mode, there) {
        (PutMode::Create, Some(_)) => Err(exists(key)),
        (PutMode::Update(wanted), there)
            if wanted.e_tag != there.map(Version::etag) || wanted.e_tag.is_none() =>
        {
            Err(object_store::Error::Precondition {
                path: key.to_owned(),
                source: "another etag, or no object".into(),
            })
        }
        _ => Ok(()),
    }
}

fn exists(key: &str) -> object_store::Error {
    object_store::Error::AlreadyExists { path: key.to_owned(), source: "already there".into() }
}

fn reading(key: &str, fault: Fault) -> object_store::Error {
    match fault {
        Fault::Missing | Fault::NotAFolder | Fault::IsAFolder | Fault::TooLong => {
            object_store::Error::NotFound {
                path: key.to_owned(),
                source: "no file of that name".into(),
            }
        }
        other => unusual(key, other),
    }
}

pub(super) fn writing(key: &str, fault: Fault) -> object_store::Error {
    let named = shown(key);
    carry(match fault {
        Fault::NotAFolder => Error::invalid(format!(
            "`{named}` cannot be written: one of its segments is an object, which holds no others"
        )),
        Fault::IsAFolder => Error::invalid(format!(
            "`{named}` cannot be written: there are objects below `{named}/`"
        )),
        Fault::Full { used, most } => Error::too_large(format!(
            "`{named}` cannot be written: the objects of this storage have {used} bytes, and may have \
                {most}: delete some, or raise KEYNET_STORAGE_MAX_TOTAL (on a node, the namespace's \
                quota `objects`)"
        )),
        Fault::TooLong => Error::invalid(format!(
            "`{named}` cannot be written: a segment of it is longer than the file system allows"
        )),
        other => return unusual(key, other),
    })
}

fn unusual(key: &str, fault: Fault) -> object_store::Error {
    match fault {
        Fault::Link => carry(Error::denied(format!(
            "`{}` is, or is below, a symbolic link in the storage folder, which is not followed",
            shown(key)
        ))),
        Fault::Io(error) => object_store::Error::Generic { store: STORE, source: Box::new(error) },
        other => object_store::Error::Generic { store: STORE, source: format!("{other:?}").into() },
    }
}
