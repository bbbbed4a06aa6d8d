//! A folder under construction: files below a temporary folder, within limits, and never outside
//! it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{DownloadLimits, Downloaded};
use keynet_base::error::{Error, Result};
use keynet_base::quote::{quoted, shown};

/// Bytes of a file that are copied at once.
const CHUNK: usize = 1 << 20;

/// Files that are being gathered; removed when dropped before the folder has its final name.
#[derive(Debug)]
pub(super) struct Tree {
    folder: tempfile::TempDir,
    limits: DownloadLimits,
    downloaded: Downloaded,
}

impl Tree {
    /// Creates an empty tree, on the file system of `into`.
    pub(super) fn beside(into: &Path, limits: DownloadLimits) -> Result<Self> {
        if into.symlink_metadata().is_ok() {
            return Err(Error::invalid(format!("{} is there already", into.display())));
        }
        let parent =
            into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::create_dir_all(parent)
            .and_then(|()| tempfile::Builder::new().prefix(".download-").tempdir_in(parent));
        let folder = folder.map_err(|error| failed("make a folder in", parent, &error))?;
        Ok(Self { folder, limits, downloaded: Downloaded::default() })
    }

    pub(super) fn downloaded(&self) -> Downloaded {
        self.downloaded
    }

    /// Checks the number of files and folders that a server has listed: a model may have as many
    /// folders as files.
    ///
    /// # Errors
    /// `too-large`: more than the limit.
    pub(super) fn check_entries(&self, listed: u64) -> Result<()> {
        let most = self.limits.files.saturating_mul(2);
        if listed <= most {
            return Ok(());
        }
        Err(Error::too_large(format!(
            "the server lists {listed} files and folders of the model, more than the {most} it may \
                have"
        )))
    }

    /// Creates a file with this relative name, whose folders are separated by slashes.
    pub(super) async fn file(&mut self, name: &str) -> Result<File<'_>> {
        self.downloaded.files += 1;
        if self.downloaded.files > self.limits.files {
            return Err(Error::too_large(format!(
                "the model has more than the {} files it may have",
                self.limits.files
            )));
        }
        let within = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || !within || name.contains(['\\', '\0']) {
            return Err(Error::invalid(format!(
                "a file of the model is called {}, which is not a name below its folder",
                quoted(name)
            )));
        }
        let path = self.folder.path().join(name);
        let parent = path.parent().unwrap_or(self.folder.path());
        tokio::fs::create_dir_all(parent).await.map_err(|error| failed("make", parent, &error))?;
        let file = tokio::fs::File::create_new(&path)
            .await
            .map_err(|error| failed("write", &path, &error))?;
        Ok(File { tree: self, file, path })
    }

    /// Renames the folder to `into`, in one step.
    pub(super) fn become_the_folder(self, into: &Path) -> Result<()> {
        // A temporary folder is accessible only to its owner; a model repository has other readers.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let renamed = fs::set_permissions(self.folder.path(), readable).and_then(|()| {
            // A rename onto an empty folder would replace it.
            match into.symlink_metadata() {
                Ok(_) => Err(std::io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(self.folder.path(), into),
            }
        });
        renamed.map_err(|error| failed("make", into, &error))?;
        let _ = self.folder.keep(); // it has been renamed
        Ok(())
    }
}

/// File that is being written.
#[derive(Debug)]
pub(super) struct File<'a> {
    tree: &'a mut Tree,
    file: tokio::fs::File,
    path: PathBuf,
}

impl File<'_> {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.tree.downloaded.bytes += bytes.len() as u64;
        if self.tree.downloaded.bytes > self.tree.limits.bytes {
            return Err(Error::too_large(format!(
                "the model is larger than the {} bytes it may have",
                self.tree.limits.bytes
            )));
        }
        self.file.write_all(bytes).await.map_err(|error| failed("write", &self.path, &error))
    }

    pub(super) async fn finish(mut self) -> Result<()> {
        self.file.flush().await.map_err(|error| failed("write", &self.path, &error))
    }
}

/// Treatment of symbolic links in a folder that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Rejected: a remote user who registered the folder could name any file of this machine.
    Refused,
    /// Followed to files. A link to a folder is rejected: its target could be the whole file
    /// system, or the folder itself.
    Followed,
}

/// Copies a local folder, or one file. Hidden files, with a name that begins with a dot, belong to
/// tools and not to the model: `.ipynb_checkpoints`, `._model.onnx`, `.cache`.
pub(super) async fn copy_folder(from: &Path, tree: &mut Tree, links: Links) -> Result<()> {
    let mut rest = vec![(from.to_owned(), String::new())];
    while let Some((path, name)) = rest.pop() {
        let mut meta =
            tokio::fs::symlink_metadata(&path).await.map_err(|error| not_read(&path, &error))?;
        if meta.is_symlink() && links == Links::Followed {
            meta = tokio::fs::metadata(&path).await.map_err(|error| not_read(&path, &error))?;
            if meta.is_dir() && !name.is_empty() {
                let message = format!(
                    "{} is a symbolic link to a folder, and only links to files are followed",
                    path.display()
                );
                return Err(Error::denied(message));
            }
        }
        if meta.is_dir() {
            let mut entries =
                tokio::fs::read_dir(&path).await.map_err(|error| failed("read", &path, &error))?;
            while let Some(entry) =
                entries.next_entry().await.map_err(|error| failed("read", &path, &error))?
            {
                let file_name = entry.file_name();
                let Some(below) = file_name.to_str() else {
                    return Err(Error::invalid(format!(
                        "{} has a name that is not UTF-8",
                        entry.path().display()
                    )));
                };
                if !below.starts_with('.') {
                    rest.push((entry.path(), super::join(&name, below)));
                }
            }
        } else if meta.is_file() {
            let name = if name.is_empty() {
                path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
            } else {
                name
            };
            copy_file(&path, &name, tree).await?;
        } else {
            return Err(Error::denied(format!(
                "{} is neither a file nor a folder",
                path.display()
            )));
        }
    }
    Ok(())
}

fn not_read(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!("there is no {}", path.display())),
        _ => failed("read", path, error),
    }
}

async fn copy_file(path: &Path, name: &str, tree: &mut Tree) -> Result<()> {
    let mut source =
        tokio::fs::File::open(path).await.map_err(|error| failed("read", path, &error))?;
    let mut file = tree.file(name).await?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = source.read(&mut buffer).await.map_err(|error| failed("read", path, &error))?;
        match buffer.get(..read) {
            Some(bytes) if !bytes.is_empty() => file.write(bytes).await?,
            _ => return file.finish().await,
        }
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot {what} {}: {error}", shown(&path.to_string_lossy()));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => Error::denied(message),
        std::io::ErrorKind::AlreadyExists => Error::invalid(message),
        _ => Error::unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keynet_base::error::ErrorKind;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[tokio::test]
    async fn a_folder_appears_as_a_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let into = place.path().join("new/model");
        let mut tree = Tree::beside(&into, DownloadLimits::default()).unwrap();
        let mut file = tree.file("1/model.onnx").await.unwrap();
        file.write(b"weights").await.unwrap();
        file.finish().await.unwrap();
        assert!(!into.exists());
        assert_eq!(tree.downloaded(), Downloaded { bytes: 7, files: 1 });
        tree.become_the_folder(&into).unwrap();
        assert_eq!(fs::read(into.join("1/model.onnx")).unwrap(), b"weights");
        assert_eq!(names(&place.path().join("new")), ["model"]);

        assert_eq!(
            Tree::beside(&into, DownloadLimits::default()).unwrap_err().kind,
            ErrorKind::Invalid
        );
        let mut tree =
            Tree::beside(&place.path().join("other"), DownloadLimits::default()).unwrap();
        tree.file("x").await.unwrap();
        drop(tree);
        assert_eq!(names(place.path()), ["new"]);
    }

    #[tokio::test]
    async fn nothing_is_written_outside_or_beyond_the_limits() {
        let place = tempfile::tempdir().unwrap();
        let mut tree =
            Tree::beside(&place.path().join("model"), DownloadLimits { bytes: 4, files: 8 })
                .unwrap();
        for name in ["", "..", "../x", "a/../../x", "/etc/x", "a\\b", "."] {
            assert_eq!(tree.file(name).await.unwrap_err().kind, ErrorKind::Invalid, "{name:?}");
        }
        let mut file = tree.file("x").await.unwrap();
        file.write(b"1234").await.unwrap();
        assert_eq!(file.write(b"5").await.unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(tree.file("y").await.unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[tokio::test]
    async fn a_link_in_a_registered_folder_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("1")).unwrap();
        fs::write(from.join("1/model.onnx"), "weights").unwrap();
        let mut tree =
            Tree::beside(&place.path().join("model"), DownloadLimits::default()).unwrap();
        copy_folder(&from, &mut tree, Links::Refused).await.unwrap();
        assert_eq!(tree.downloaded(), Downloaded { bytes: 7, files: 1 });
        std::os::unix::fs::symlink("/etc/passwd", from.join("labels.txt")).unwrap();
        let mut tree =
            Tree::beside(&place.path().join("again"), DownloadLimits::default()).unwrap();
        assert_eq!(
            copy_folder(&from, &mut tree, Links::Refused).await.unwrap_err().kind,
            ErrorKind::Denied
        );
    }

    #[tokio::test]
    async fn links_of_the_hugging_face_cache_are_followed_to_files() {
        let place = tempfile::tempdir().unwrap();
        let (blobs, snapshot) = (place.path().join("blobs"), place.path().join("snapshots/abc"));
        fs::create_dir_all(&blobs).unwrap();
        fs::create_dir_all(snapshot.join("onnx")).unwrap();
        fs::write(blobs.join("1111"), "weights").unwrap();
        std::os::unix::fs::symlink("../../../blobs/1111", snapshot.join("onnx/model.onnx"))
            .unwrap();
        fs::write(snapshot.join(".gitattributes"), "hidden").unwrap();
        fs::create_dir(snapshot.join(".ipynb_checkpoints")).unwrap();
        let into = place.path().join("model");
        super::super::copy_files(&snapshot, &into, DownloadLimits::default()).await.unwrap();
        assert_eq!(
            (names(&into), fs::read(into.join("onnx/model.onnx")).unwrap()),
            (vec!["onnx".to_owned()], b"weights".to_vec())
        );
        std::os::unix::fs::symlink("..", snapshot.join("around")).unwrap();
        let again = super::super::copy_files(
            &snapshot,
            &place.path().join("again"),
            DownloadLimits::default(),
        )
        .await;
        assert_eq!(again.unwrap_err().kind, ErrorKind::Denied);
    }
}
