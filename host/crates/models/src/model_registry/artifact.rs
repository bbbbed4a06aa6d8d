//! Download of a registered model's files into a folder: all of them, or no folder.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod place;
mod tree;

use std::path::Path;

use http::Method;

use super::client::MAX_LISTING;
use super::wire::{Artifacts, DownloadUri};
use super::{ModelRegistry, ModelVersion};
use keynet_base::budget::CallBudget;
use keynet_base::error::{Error, Result};
use keynet_base::quote::{quoted, shown};
use keynet_object_storage::{Location, ObjectStorage, Prefix};
use place::Place;
use tree::{Links, Tree, copy_folder};

/// Bytes of an object that are requested at once.
const READ_BYTES: u64 = 8 << 20;

/// Maximum nesting depth of folders.
const MAX_DEPTH: u32 = 32;

/// Size limits of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadLimits {
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
}

impl Default for DownloadLimits {
    /// 16 GiB in 10,000 files.
    fn default() -> Self {
        Self { bytes: 16 << 30, files: 10_000 }
    }
}

/// Sources of a model's files other than MLflow itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// Object storage, for `s3://` sources.
    pub objects: Option<&'a ObjectStorage>,
    /// Allows `file:` sources and paths of this machine. Every user who may register a model can
    /// then obtain any file that this process can read.
    pub files: bool,
}

/// Size of a download.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
}

impl ModelRegistry {
    /// Downloads the files of `model` into the folder `into`, which must not exist yet. They are
    /// gathered beside it and renamed to it in one step: a failure leaves nothing. Files are
    /// written as they arrive, using at most a few MiB of memory.
    ///
    /// # Errors
    /// `not-found`: there are no files. `too-large`: more than `limits`. `invalid`: a source or a
    /// file name that cannot be used, or `into` exists. `unavailable`, `denied`, `timeout`.
    pub async fn download(
        &self,
        model: &ModelVersion,
        into: &Path,
        sources: Sources<'_>,
        limits: DownloadLimits,
        budget: &CallBudget,
    ) -> Result<Downloaded> {
        let (name, version) = (&model.name, model.version.to_string());
        let asked = [("name", name.as_str()), ("version", version.as_str())];
        let uri: DownloadUri =
            self.client.get("model-versions/get-download-uri", &asked, budget.deadline).await?;
        self.gather(
            &format!("version {version} of model {name}"),
            &uri.artifact_uri,
            into,
            sources,
            limits,
            budget,
        )
        .await
    }

    /// Downloads the files of the logged model `id`, in the same way as [`Self::download`].
    ///
    /// # Errors
    /// The same as for [`Self::download`]. `unavailable`: the model is not ready.
    pub async fn download_logged(
        &self,
        id: &str,
        into: &Path,
        sources: Sources<'_>,
        limits: DownloadLimits,
        budget: &CallBudget,
    ) -> Result<Downloaded> {
        let model = self.client.logged(id, budget.deadline).await?;
        if let Some(status) = model
            .status
            .as_str()
            .filter(|status| !matches!(*status, "READY" | "LOGGED_MODEL_READY"))
        {
            return Err(Error::unavailable(format!(
                "the logged model {} is {} in MLflow",
                shown(id),
                shown(status)
            )));
        }
        self.gather(
            &format!("the logged model {}", shown(id)),
            &model.artifact_uri,
            into,
            sources,
            limits,
            budget,
        )
        .await
    }

    /// Downloads the files of `what` from `uri`.
    async fn gather(
        &self,
        what: &str,
        uri: &str,
        into: &Path,
        sources: Sources<'_>,
        limits: DownloadLimits,
        budget: &CallBudget,
    ) -> Result<Downloaded> {
        let place = Place::parse(uri, self.url())
            .map_err(|why| Error::invalid(format!("{what} lies in {}: {why}", quoted(uri))))?;
        let mut tree = Tree::beside(into, limits)?;
        let gathered = async {
            match place {
                Place::Mlflow(path) => self.of_mlflow(&path, &mut tree, budget).await,
                Place::Objects { bucket, prefix } => {
                    of_objects(sources, &bucket, &prefix, &mut tree, budget).await
                }
                Place::Files(path) if sources.files => {
                    copy_folder(&path, &mut tree, Links::Refused).await
                }
                Place::Files(path) => Err(Error::denied(format!(
                    "its files are those of a machine, {}, and these are not read here",
                    path.display()
                ))),
            }
        };
        budget.within("bringing a model's files", gathered).await?;
        let downloaded = tree.downloaded();
        if downloaded.files == 0 {
            return Err(Error::not_found(format!("{what} has no files in {}", shown(uri))));
        }
        tree.become_the_folder(into)?;
        Ok(downloaded)
    }

    /// Downloads files that MLflow serves itself, one folder after the other.
    async fn of_mlflow(&self, root: &str, tree: &mut Tree, budget: &CallBudget) -> Result<()> {
        let mut folders = vec![(String::new(), 0)];
        let mut listed = 0;
        while let Some((folder, depth)) = folders.pop() {
            if depth > MAX_DEPTH {
                return Err(Error::too_large(format!(
                    "the model's folders lie more than {MAX_DEPTH} deep in each other"
                )));
            }
            let path = join(root, &folder);
            let url = "api/2.0/mlflow-artifacts/artifacts";
            let found: Artifacts = self
                .client
                .json(Method::GET, url, &[("path", &path)], None, MAX_LISTING, budget.deadline)
                .await?;
            listed += found.files.len() as u64;
            tree.check_entries(listed)?;
            // An empty listing means that the path is a file that was registered itself.
            if found.files.is_empty() && folder.is_empty() {
                let name = root.rsplit('/').next().unwrap_or(root);
                return self.file_of_mlflow(root, name, tree, budget).await;
            }
            for file in found.files {
                let name = file.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let below = join(&folder, name);
                match file.is_dir {
                    true => folders.push((below, depth + 1)),
                    false => self.file_of_mlflow(&join(root, &below), &below, tree, budget).await?,
                }
            }
        }
        Ok(())
    }

    async fn file_of_mlflow(
        &self,
        path: &str,
        name: &str,
        tree: &mut Tree,
        budget: &CallBudget,
    ) -> Result<()> {
        let escaped: Vec<_> = path
            .split('/')
            .map(|part| {
                percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC)
                    .to_string()
            })
            .collect();
        let path = format!("api/2.0/mlflow-artifacts/artifacts/{}", escaped.join("/"));
        let mut response = self.client.send(Method::GET, &path, &[], None, budget.deadline).await?;
        let mut file = tree.file(name).await?;
        while let Some(chunk) = response.chunk().await.map_err(|_| {
            Error::unavailable(format!(
                "MLflow broke off in the middle of the file {}",
                shown(name)
            ))
        })? {
            file.write(&chunk).await?;
        }
        file.finish().await
    }
}

/// Copies a local folder, or one file, into the folder `into`, in the same way as a model of the
/// registry: all of it, or no folder.
///
/// Symbolic links to files are followed: a caller that names a local folder may read the targets of
/// its links, and the cache of the Hugging Face hub consists of them (`snapshots/…/model.onnx`
/// leads to `../../blobs/…`). Hidden files are skipped.
///
/// # Errors
/// `not-found`: `from` does not exist. `denied`: a symbolic link to a folder. Otherwise the same as
/// for [`ModelRegistry::download`].
pub(crate) async fn copy_files(
    from: &Path,
    into: &Path,
    limits: DownloadLimits,
) -> Result<Downloaded> {
    let mut tree = Tree::beside(into, limits)?;
    copy_folder(from, &mut tree, Links::Followed).await?;
    let downloaded = tree.downloaded();
    tree.become_the_folder(into)?;
    Ok(downloaded)
}

async fn of_objects(
    sources: Sources<'_>,
    bucket: &str,
    prefix: &str,
    tree: &mut Tree,
    budget: &CallBudget,
) -> Result<()> {
    let objects = sources.objects.ok_or_else(|| {
        Error::unavailable(format!(
            "its files are in s3://{bucket}/{prefix}, and no S3 store is configured: set \
                AWS_BUCKET_NAME and its keys"
        ))
    })?;
    // Either the objects below the folder, or the one object of this name.
    let folder = format!("s3://{bucket}/{prefix}/");
    let listed = Prefix::parse(&folder)?;
    let mut cursor = None;
    loop {
        let page = objects.list(&listed, cursor.as_deref(), budget).await?;
        for object in &page.objects {
            let location = object.location.to_string();
            let name = location.strip_prefix(&folder).unwrap_or(&location).to_owned();
            of_object(objects, &object.location, &name, tree, budget).await?;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if tree.downloaded().files > 0 {
        return Ok(());
    }
    let name = prefix.rsplit('/').next().unwrap_or(prefix);
    of_object(objects, &Location::parse(&format!("s3://{bucket}/{prefix}"))?, name, tree, budget)
        .await
}

async fn of_object(
    objects: &ObjectStorage,
    location: &Location,
    name: &str,
    tree: &mut Tree,
    budget: &CallBudget,
) -> Result<()> {
    let object = objects.open(location, budget).await?;
    let mut file = tree.file(name).await?;
    let mut offset = 0;
    while offset < object.size() {
        let read =
            object.read(offset, READ_BYTES.min(objects.limits().max_object_read), budget).await?;
        offset += read.bytes.len() as u64;
        file.write(&read.bytes).await?;
    }
    file.finish().await
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
