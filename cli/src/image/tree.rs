//! A tree of files that will be a layer, or a folder.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::ImageError;

/// Files and folders by their path below the root, without a slash in front. All of them belong to
/// root.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, Entry>);

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A folder in which anybody may write and delete what is his own.
    Shared,
    /// A file to read.
    File(Vec<u8>),
    /// A file to run.
    Program(Vec<u8>),
}

impl Entry {
    /// Its permissions.
    pub fn mode(&self) -> u32 {
        match self {
            Self::Folder | Self::Program(_) => 0o755,
            Self::Shared => 0o1777,
            Self::File(_) => 0o644,
        }
    }

    /// Its bytes, where it is a file.
    pub fn content(&self) -> Option<&[u8]> {
        match self {
            Self::Folder | Self::Shared => None,
            Self::File(content) | Self::Program(content) => Some(content),
        }
    }
}

impl Tree {
    /// Puts `entry` at `path`, with the folders above it. A slash in front is left out.
    pub fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.0.entry(path.split_at(at).0.to_owned()).or_insert(Entry::Folder);
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Everything in it; a folder comes before what is in it.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The bytes of all its files.
    pub fn size(&self) -> u64 {
        self.0.values().filter_map(Entry::content).map(|content| content.len() as u64).sum()
    }

    /// Writes it below `folder`, which is made; what is there under the same names is replaced.
    ///
    /// # Errors
    /// Of the file system.
    pub fn write(&self, folder: &Path) -> Result<(), ImageError> {
        fs::create_dir_all(folder).map_err(ImageError::io("make", folder))?;
        for (path, entry) in self.entries() {
            let path = folder.join(path);
            match entry.content() {
                Some(content) => fs::write(&path, content),
                None => fs::create_dir_all(&path),
            }
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(entry.mode())))
            .map_err(ImageError::io("write", &path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_by_themselves_and_before_what_is_in_them() {
        let mut tree = Tree::default();
        tree.put("/etc/ssl/certs/ca.crt", Entry::File(b"x".to_vec()));
        tree.put("tmp", Entry::Shared);
        let paths: Vec<_> = tree.entries().map(|(path, entry)| (path, entry.mode())).collect();
        assert_eq!(
            paths,
            [
                ("etc", 0o755),
                ("etc/ssl", 0o755),
                ("etc/ssl/certs", 0o755),
                ("etc/ssl/certs/ca.crt", 0o644),
                ("tmp", 0o1777)
            ]
        );
        assert_eq!(tree.size(), 1);
    }

    #[test]
    fn a_folder_is_written_with_its_modes() {
        let mut tree = Tree::default();
        tree.put("bin/run", Entry::Program(b"#!".to_vec()));
        tree.put("tmp", Entry::Shared);
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            tree.write(&folder.path().join("root")).unwrap();
        }
        let mode = |path: &str| {
            fs::metadata(folder.path().join("root").join(path)).unwrap().permissions().mode()
                & 0o7777
        };
        assert_eq!((mode("bin"), mode("bin/run"), mode("tmp")), (0o755, 0o755, 0o1777));
    }
}
