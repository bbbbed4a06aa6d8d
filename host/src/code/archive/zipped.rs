//! A zip archive.

use std::io::Cursor;

use zip::ZipArchive;

use super::{ArchiveError, ArchivedComponent, MAX_ENTRIES, MAX_NAME, Unpacked};

/// Maximum total size in bytes of the names, comments and extra fields of a zip. The reader of zips
/// holds them several times.
const MAX_DIRECTORY: usize = 4 << 20;

/// Finds the component in a zip.
pub(crate) fn unzip(bytes: &[u8]) -> Result<Unpacked, ArchiveError> {
    check_directory(bytes)?;
    let damaged = |error: zip::result::ZipError| ArchiveError::Damaged("zip", error.into());
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut found = ArchivedComponent::new("zip");
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).map_err(damaged)?;
        let name = file.name().map_err(damaged)?;
        if name.len() > MAX_NAME {
            return Err(ArchiveError::LongName);
        }
        let name = name.into_owned();
        if file.is_symlink() {
            return Err(ArchiveError::Special(name));
        }
        if file.is_dir() {
            found.entry(&name)?;
        } else {
            found.file(&name, &mut file)?;
        }
    }
    found.finish()
}

/// Checks the size of the central directory before it is read into memory. Counts everything that
/// looks like one of its headers, at any position: the reader decides which of them belong to the
/// directory, and a component rarely contains one by chance.
fn check_directory(bytes: &[u8]) -> Result<(), ArchiveError> {
    const HEADER: &[u8] = b"PK\x01\x02";
    /// Positions of the lengths of the name, the extra field and the comment.
    const LENGTHS: std::ops::Range<usize> = 28..34;
    let (mut entries, mut size, mut rest) = (0, 0, bytes);
    while let Some(at) = rest.iter().position(|byte| *byte == b'P') {
        rest = rest.get(at..).unwrap_or_default();
        if rest.starts_with(HEADER) {
            entries += 1;
            let lengths = rest.get(LENGTHS).unwrap_or_default().chunks_exact(2);
            size += lengths
                .map(|length| {
                    length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
                })
                .sum::<usize>();
        }
        rest = rest.get(1..).unwrap_or_default();
        // The entries of a zip inside this one are counted too.
        if entries > 2 * MAX_ENTRIES {
            return Err(ArchiveError::TooMany);
        }
        if size > MAX_DIRECTORY {
            return Err(ArchiveError::LongName);
        }
    }
    Ok(())
}
