//! A model repository in an S3 bucket.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::record::RECORD;
use super::super::{Progress, Step};
use super::{Repository, SMALL, Workspace, failed, files_below};
use keynet_base::budget::CallBudget;
use keynet_base::config::S3Config;
use keynet_base::error::{ErrorKind, Result};
use keynet_object_storage::s3::S3Store;
use keynet_object_storage::{
    ContentType, Location, ObjectInfo, ObjectStorage, Prefix, PutConditions, StorageLimits,
};

/// Bytes of a file that are read and sent at once.
const CHUNK: u64 = 8 << 20;

/// Resolution of the modification times of S3.
const SECOND: Duration = Duration::from_secs(1);

/// Largest file in bytes: 10,000 parts, of which a few are held at once.
const LARGEST: u64 = 10_000 * (16 << 20);

/// Model repository below a prefix of a bucket.
#[derive(Debug)]
pub(in crate::model_deployment) struct Objects {
    storage: ObjectStorage,
    /// Location of the repository: `s3://bucket/prefix/`.
    root: String,
    /// As the operator wrote it.
    shown: String,
}

impl Objects {
    /// Opens the repository below `prefix` in the bucket of `store`, without sending a request.
    ///
    /// # Errors
    /// The store cannot be used.
    pub fn open(store: &S3Config, prefix: &str) -> Result<Self> {
        let limits = StorageLimits {
            max_object_read: CHUNK,
            max_object_write: LARGEST,
            ..StorageLimits::default()
        };
        let slash = if prefix.is_empty() { "" } else { "/" };
        let endpoint = store
            .endpoint
            .as_ref()
            .map(|url| format!("{}/", url.as_str().trim_end_matches('/')))
            .unwrap_or_default();
        Ok(Self {
            storage: ObjectStorage::of_s3(&S3Store::open(store)?, limits),
            root: format!("s3://{}/{prefix}{slash}", store.bucket),
            shown: format!("s3://{endpoint}{}{}{prefix}", store.bucket, slash),
        })
    }

    fn location(&self, path: &str) -> Result<Location> {
        Location::parse(&format!("{}{path}", self.root))
    }

    /// Returns the objects below a folder, by their paths below it.
    async fn below(
        &self,
        folder: &str,
        budget: &CallBudget,
    ) -> Result<BTreeMap<String, ObjectInfo>> {
        let start = format!("{}{folder}/", self.root);
        let prefix = Prefix::parse(&start)?;
        let (mut files, mut cursor) = (BTreeMap::new(), None);
        loop {
            let page = self.storage.list(&prefix, cursor.as_deref(), budget).await?;
            files.extend(page.objects.into_iter().filter_map(|object| {
                Some((object.location.to_string().strip_prefix(&start)?.to_owned(), object))
            }));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(files);
            }
        }
    }

    async fn send(
        &self,
        from: &Path,
        path: &str,
        sent: &(dyn Fn(u64) + Send + Sync),
        budget: &CallBudget,
    ) -> Result<()> {
        let location = self.location(path)?;
        let unreadable = |error: std::io::Error| failed("read", from, &error);
        let mut file = tokio::fs::File::open(from).await.map_err(unreadable)?;
        let size = file.metadata().await.map_err(unreadable)?.len();
        let mut upload = match size <= CHUNK {
            true => None,
            false => Some(self.storage.create_upload(Some(location.clone()), None, budget).await?),
        };
        loop {
            let mut bytes =
                Vec::with_capacity(usize::try_from(CHUNK.min(size)).unwrap_or_default());
            (&mut file).take(CHUNK).read_to_end(&mut bytes).await.map_err(unreadable)?;
            let read = bytes.len() as u64;
            match &mut upload {
                None => {
                    self.storage
                        .put(bytes.into(), Some(location), None, PutConditions::default(), budget)
                        .await?;
                    sent(read);
                    return Ok(());
                }
                Some(upload) if read == 0 => return upload.finish(budget).await.map(drop),
                Some(upload) => upload.write(bytes.into(), budget).await?,
            }
            sent(read);
        }
    }
}

#[async_trait]
impl Repository for Objects {
    fn describe(&self) -> String {
        self.shown.clone()
    }

    fn place_of(&self, name: &str) -> String {
        format!("{}/{name}", self.shown.trim_end_matches('/'))
    }

    fn workspace(&self) -> Result<Workspace> {
        let place = std::env::temp_dir();
        Workspace::within(&place).map_err(|error| failed("make a folder in", &place, &error))
    }

    async fn exists(&self, name: &str, budget: &CallBudget) -> Result<bool> {
        Ok(!self.below(name, budget).await?.is_empty())
    }

    /// Returns `None`: S3 has no locks.
    async fn lock(&self, _: &str) -> Result<Option<File>> {
        Ok(None)
    }

    async fn files(&self, name: &str, budget: &CallBudget) -> Result<BTreeMap<String, u64>> {
        Ok(self
            .below(name, budget)
            .await?
            .into_iter()
            .map(|(path, object)| (path, object.size))
            .collect())
    }

    async fn until_later(&self, name: &str, budget: &CallBudget) -> Result<()> {
        let newest =
            self.below(name, budget).await?.values().filter_map(|object| object.modified_ms).max();
        let newest = newest.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        // The store's clock may be slightly ahead.
        let age = newest.map_or(SECOND, |newest| newest.elapsed().unwrap_or_default());
        tokio::time::sleep(SECOND.saturating_sub(age)).await;
        Ok(())
    }

    async fn read(&self, path: &str, budget: &CallBudget) -> Result<Option<Bytes>> {
        let read = async {
            let object = self.storage.open(&self.location(path)?, budget).await?;
            match object.size().min(SMALL) {
                0 => Ok(Bytes::new()),
                size => object.read(0, size, budget).await.map(|read| read.bytes),
            }
        };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn claim(&self, name: &str, record: Bytes, budget: &CallBudget) -> Result<()> {
        let location = self.location(&format!("{name}/{RECORD}"))?;
        let only_new =
            PutConditions { if_none_match: Some("*".to_owned()), ..PutConditions::default() };
        let json = ContentType::parse("application/json").ok();
        self.storage.put(record, Some(location), json, only_new, budget).await.map(drop)
    }

    async fn is_same(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<bool> {
        let unreadable = |error: std::io::Error| failed("read", from, &error);
        let mut file = tokio::fs::File::open(from).await.map_err(unreadable)?;
        let object = match self.storage.open(&self.location(path)?, budget).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        if file.metadata().await.map_err(unreadable)?.len() != object.size() {
            return Ok(false);
        }
        let mut offset = 0;
        while offset < object.size() {
            let read = object.read(offset, CHUNK, budget).await?;
            let mut bytes = vec![0; read.bytes.len()];
            file.read_exact(&mut bytes).await.map_err(unreadable)?;
            if read.bytes != bytes {
                return Ok(false);
            }
            offset += read.bytes.len() as u64;
        }
        Ok(true)
    }

    async fn place(
        &self,
        from: &Path,
        path: &str,
        progress: &dyn Progress,
        budget: &CallBudget,
    ) -> Result<()> {
        let files = files_below(from)?;
        let total = files.values().sum();
        let written = std::sync::atomic::AtomicU64::new(0);
        let sent = |bytes: u64| {
            let before = written.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
            progress.step(&Step::Writing { written: before + bytes, total });
        };
        // Versions first, then the files beside them; the configuration comes last because it makes
        // the folder a model.
        let mut order: Vec<_> = files.keys().collect();
        order.sort_by_key(|name| (name.as_str() == "config.pbtxt", !name.contains('/')));
        for name in order {
            self.send(&from.join(name), &format!("{path}/{name}"), &sent, budget).await?;
        }
        Ok(())
    }

    async fn put(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()> {
        self.send(from, path, &|_| {}, budget).await
    }

    async fn save(&self, path: &str, to: &Path, budget: &CallBudget) -> Result<bool> {
        let object = match self.storage.open(&self.location(path)?, budget).await {
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let unwritable = |error: std::io::Error| failed("write", to, &error);
        let mut file = tokio::fs::File::create_new(to).await.map_err(unwritable)?;
        let mut offset = 0;
        while offset < object.size() {
            let read = object.read(offset, CHUNK, budget).await?;
            offset += read.bytes.len() as u64;
            file.write_all(&read.bytes).await.map_err(unwritable)?;
        }
        file.flush().await.map_err(unwritable)?;
        Ok(true)
    }

    async fn restore(&self, from: &Path, path: &str, budget: &CallBudget) -> Result<()> {
        self.put(from, path, budget).await
    }

    async fn remove(&self, path: &str, budget: &CallBudget) -> Result<()> {
        let mut files: Vec<_> = self.below(path, budget).await?.into_keys().collect();
        files.sort_by_key(|name| name == RECORD);
        for name in files {
            self.storage.delete(&self.location(&format!("{path}/{name}"))?, budget).await?;
        }
        self.storage.delete(&self.location(path)?, budget).await
    }
}
