//! Folders of the cache that appear whole or not at all, and go when many others were used after
//! them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::errors::ExpectedError;

/// How many folders of a kind are kept.
const MOST: usize = 8;

/// Makes `folder` by `fill`, unless it is there. `fill` is given an empty folder beside it.
///
/// # Errors
/// The cache cannot be written, or an error of `fill`.
pub fn folder(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ExpectedError>,
) -> Result<(), ExpectedError> {
    if folder.is_dir() {
        note_use(folder);
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(ExpectedError::io("make", parent))?;
    // Removed when it is dropped, unless it has another name by then.
    let draft = tempfile::Builder::new()
        .prefix(".making-")
        .tempdir_in(parent)
        .map_err(ExpectedError::io("make a folder in", parent))?;
    fill(draft.path())?;
    match fs::rename(draft.path(), folder) {
        // Another process was first.
        Err(_) if folder.is_dir() => {}
        renamed => renamed.map_err(ExpectedError::io("make", folder))?,
    }
    note_use(folder);
    thin_out(parent, folder);
    Ok(())
}

/// Makes `folder` the one that was used last.
pub fn note_use(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.set_modified(SystemTime::now()));
}

/// Removes the folders that were used longest ago, but not `newest`. What cannot be removed stays.
pub fn thin_out(parent: &Path, newest: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let mut others: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_dir)?;
            (!hidden && entry.path() != newest).then_some((metadata.modified().ok()?, entry.path()))
        })
        .collect();
    others.sort();
    let surplus = (others.len() + 1).saturating_sub(MOST);
    for (_, folder) in others.into_iter().take(surplus) {
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_interrupted_is_made_again() {
        let cache = tempfile::tempdir().unwrap();
        let path = cache.path().join("all/one");
        let failed = folder(&path, |draft| {
            fs::write(draft.join("half"), "").unwrap();
            Err(ExpectedError::io("read", draft)(std::io::Error::other("interrupted")))
        });
        assert!(
            failed.is_err()
                && !path.exists()
                && fs::read_dir(cache.path().join("all")).unwrap().next().is_none()
        );
        let fill = |draft: &Path| {
            fs::write(draft.join("whole"), "").map_err(ExpectedError::io("write", draft))
        };
        folder(&path, fill).unwrap();
        folder(&path, |_| panic!("it is there")).unwrap();
        assert!(path.join("whole").exists());
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        let cache = tempfile::tempdir().unwrap();
        for number in 0..MOST {
            let path = cache.path().join(number.to_string());
            folder(&path, |_| Ok(())).unwrap();
            let age = Duration::from_secs(1000 - number as u64);
            File::open(&path).unwrap().set_modified(SystemTime::now() - age).unwrap();
        }
        folder(&cache.path().join("0"), |_| panic!("it is there")).unwrap();
        folder(&cache.path().join("new"), |_| Ok(())).unwrap();
        let left = |name: &str| cache.path().join(name).exists();
        assert!(left("0") && !left("1") && left("2") && left("new"));
    }
}
