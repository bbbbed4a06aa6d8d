//! Listing of the folder in the order of the keys, one page at a time: the memory that a page needs
//! does not depend on the number of objects.

use std::collections::BinaryHeap;
use std::os::fd::OwnedFd;

use object_store::ObjectMeta;
use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::super::ObjectKey;
use super::super::location::RESERVED_SEGMENT;
use super::tree::{Fault, Tree, segments, version_at};

/// Entries of one folder that are held at once.
const ENTRIES: usize = 1000;

/// Returns the first `limit` objects below `folder` (a path, empty for all) whose keys are greater
/// than `after`, in the order of their bytes.
///
/// Links, files that are not objects, names that are not valid keys, and folders without read
/// permission are skipped.
pub(super) fn objects_after(
    tree: &Tree,
    folder: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<ObjectMeta>, Fault> {
    let mut walk = Walk { tree, after, limit, found: Vec::new() };
    let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    walk.visit(&start)?;
    Ok(walk.found)
}

/// Passes the size of each file to `seen`, in any order. Reads each folder once; what changes meanwhile
/// may be missed.
pub(super) fn each_file(tree: &Tree, mut seen: impl FnMut(u64)) {
    let mut folders = vec![String::new()];
    while let Some(path) = folders.pop() {
        // What is gone, or may not be read, is left out, as in listings.
        let Ok(folder) = tree.folder(segments(&path), false) else { continue };
        let Ok(entries) = Dir::read_from(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !is_content(name) {
                continue;
            }
            let stat = statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let Ok(stat) = stat else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => seen(u64::try_from(stat.st_size).unwrap_or(0)),
                FileType::Directory => folders.push(format!("{path}{name}/")),
                _ => {}
            }
        }
    }
}

/// Reports whether an entry of a folder can be an object, or a folder of some.
fn is_content(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.eq_ignore_ascii_case(RESERVED_SEGMENT)
}

struct Walk<'a> {
    tree: &'a Tree,
    after: &'a str,
    limit: usize,
    found: Vec<ObjectMeta>,
}

impl Walk<'_> {
    /// Visits the folder `path`, which is empty or ends with a slash.
    fn visit(&mut self, path: &str) -> Result<(), Fault> {
        let mut last = String::new();
        loop {
            let entries = match self.entries(path, &last) {
                // changed during the walk, or never existed
                Err(Fault::Missing | Fault::Link | Fault::NotAFolder | Fault::TooLong) => {
                    return Ok(());
                }
                Err(Fault::Io(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    tracing::debug!(path, "a folder that may not be read is not listed");
                    return Ok(());
                }
                other => other?,
            };
            // Closed while subfolders are visited, which may be nested hundreds deep.
            let mut opened: Option<OwnedFd> = None;
            for entry in &entries {
                if self.found.len() >= self.limit {
                    return Ok(());
                }
                let key = format!("{path}{entry}");
                if entry.ends_with('/') {
                    opened = None;
                    self.visit(&key)?;
                } else if let Ok(key) = ObjectKey::parse(&key) {
                    let parent = match opened.take() {
                        Some(parent) => parent,
                        None => self.tree.folder(segments(path), false)?,
                    };
                    if let Ok(version) = version_at(&parent, entry) {
                        self.found.push(version.meta(key.path().clone()));
                    }
                    opened = Some(parent);
                }
            }
            match entries.into_iter().nth(ENTRIES - 1) {
                Some(greatest) => last = greatest,
                None => return Ok(()),
            }
        }
    }

    /// Returns the smallest entries of a folder that are greater than `last` and lead to keys
    /// greater than the walk's `after`: files by their names, folders by their names with a slash,
    /// which sorts them where their keys belong.
    fn entries(&self, path: &str, last: &str) -> Result<Vec<String>, Fault> {
        let folder = self.tree.folder(segments(path), false)?;
        let mut least = BinaryHeap::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !is_content(name) {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                known => known,
            };
            let entry = match kind {
                FileType::RegularFile => name.to_owned(),
                FileType::Directory => format!("{name}/"),
                _ => continue,
            };
            if entry.as_str() > last && self.leads_on(&format!("{path}{entry}")) {
                least.push(entry);
                if least.len() > ENTRIES {
                    least.pop();
                }
            }
        }
        Ok(least.into_sorted_vec())
    }

    fn leads_on(&self, path: &str) -> bool {
        path > self.after || (path.ends_with('/') && self.after.starts_with(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_more_than_is_held_at_once_is_listed_whole() {
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::open(place.path()).unwrap();
        let mut keys: Vec<_> = (0..2 * ENTRIES + 2)
            .map(|i| if i % 100 == 0 { format!("d/{i}/x") } else { format!("d/{i}") })
            .collect();
        for key in &keys {
            std::fs::create_dir_all(place.path().join(key).parent().unwrap()).unwrap();
            std::fs::write(place.path().join(key), "").unwrap();
        }
        keys.sort_unstable();
        let found = objects_after(&tree, "d", "", usize::MAX).unwrap();
        assert_eq!(found.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(), keys);
        let mut files = 0;
        each_file(&tree, |_| files += 1);
        assert_eq!(files, keys.len());
        let found = objects_after(&tree, "", &keys[7], 3).unwrap();
        assert_eq!(
            found.iter().map(|meta| meta.location.as_ref()).collect::<Vec<_>>(),
            keys[8..11]
        );
    }
}
