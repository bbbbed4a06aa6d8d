//! Content types, in separate files: `.keynet/types/XX/HASH.STAMP`, with the hash of the object's
//! key and the stamp of its version.
//!
//! The type of a version is written before the version is visible and removed after it was
//! replaced, so that an object is never returned with the type of another version. A killed writer
//! can leave a file that belongs to no version, which is never read.

use std::io::{self, Read as _, Write as _};

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

use super::super::ContentType;
use super::super::location::RESERVED_SEGMENT;
use super::tree::{Fault, Tree, Version};

struct Place {
    folder: String,
    name: String,
}

fn place(key: &str, version: &Version) -> Place {
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let (folder, rest) = hash.as_str().split_at(2);
    Place { folder: folder.to_owned(), name: format!("{rest}.{}", version.stamp()) }
}

/// Stores the content type of a version. The key is written too, for people who inspect the file.
pub(super) fn write(
    tree: &Tree,
    key: &str,
    version: &Version,
    content_type: &str,
) -> Result<(), Fault> {
    let place = place(key, version);
    let folder = tree.folder([RESERVED_SEGMENT, "types", &place.folder], true)?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file =
        std::fs::File::from(openat(&folder, &place.name, flags, Mode::from_raw_mode(0o666))?);
    Ok(file.write_all(format!("{content_type}\n{key}\n").as_bytes())?)
}

/// Returns the content type of a version; `None` if none was stored for it.
pub(super) fn read(tree: &Tree, key: &str, version: &Version) -> Option<ContentType> {
    let text = read_text(tree, &place(key, version)).ok()?;
    let (content_type, rest) = text.split_once('\n')?;
    ContentType::parse(content_type).ok().filter(|_| rest.strip_suffix('\n') == Some(key))
}

fn read_text(tree: &Tree, place: &Place) -> Result<String, Fault> {
    let folder = tree.folder([RESERVED_SEGMENT, "types", &place.folder], false)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(&folder, &place.name, flags, Mode::empty())?);
    let mut text = String::new();
    file.take(4096)
        .read_to_string(&mut text)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(text)
}

/// Removes the content type of a version that no longer exists.
pub(super) fn remove(tree: &Tree, key: &str, version: &Version) {
    let place = place(key, version);
    if let Ok(folder) = tree.folder([RESERVED_SEGMENT, "types", &place.folder], false) {
        let _ = unlinkat(&folder, &place.name, AtFlags::empty());
    }
}
