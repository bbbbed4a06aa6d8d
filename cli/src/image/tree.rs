//! A tree of files that becomes a layer, or a folder.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::ImageError;

/// Files and folders by their path below the root, without a leading slash. All of them belong to
/// root.
#[derive(Debug, Clone, Default)]
pub struct Tree(BTreeMap<String, Entry>);

/// Content of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A folder in which every user may write, and delete only their own files.
    Shared,
    /// A file that is not executable.
    File(Vec<u8>),
    /// An executable file.
    Program(Vec<u8>),
}

impl Entry {
    /// Returns its permissions.
    pub fn mode(&self) -> u32 {
        match self {
            Self::Folder | Self::Program(_) => 0o755,
            Self::Shared => 0o1777,
            Self::File(_) => 0o644,
        }
    }

    /// Returns its bytes; `None` for a folder.
    pub fn content(&self) -> Option<&[u8]> {
        match self {
            Self::Folder | Self::Shared => None,
            Self::File(content) | Self::Program(content) => Some(content),
        }
    }
}

impl Tree {
    /// Puts `entry` at `path`, and creates the folders above it. Ignores a leading slash.
    pub fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.0.entry(path.split_at(at).0.to_owned()).or_insert(Entry::Folder);
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Returns all entries; a folder comes before its content.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Returns the total size of its files in bytes.
    pub fn size(&self) -> u64 {
        self.0.values().filter_map(Entry::content).map(|content| content.len() as u64).sum()
    }

    /// Writes the tree below `folder`, which is created; replaces existing files of the same names.
    ///
    /// # Errors
    /// A file cannot be written.
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
