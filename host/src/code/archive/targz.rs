//! A tar.gz, read as a stream.

use std::cell::Cell;
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::{ArchiveError, ArchivedComponent, MAGIC, MAX_EXPANDED, MAX_NAME, Unpacked};

const KIND: &str = "tar.gz";

/// Maximum size in bytes of an entry's headers. The reader of tar holds long names (GNU) and
/// extended headers (PAX) in memory.
const MAX_HEADERS: u64 = 64 << 10;

/// Finds the component in a tar.gz, or unpacks a component that was only compressed.
pub(crate) fn ungzip(bytes: &[u8]) -> Result<Unpacked, ArchiveError> {
    let mut found = ArchivedComponent::new(KIND);
    let mut start = [0; MAGIC.len()];
    if MultiGzDecoder::new(bytes).read_exact(&mut start).is_ok() && start == *MAGIC {
        found.file("action.wasm", &mut MultiGzDecoder::new(bytes))?;
        return found.finish();
    }
    let left = Cell::new(0);
    let mut tar = tar::Archive::new(Bounded { inner: MultiGzDecoder::new(bytes), left: &left });
    let mut entries = tar.entries().map_err(|error| ArchiveError::Damaged(KIND, error))?;
    let mut expanded = 0;
    loop {
        // The data before was read to its end, so only headers are read now.
        left.set(MAX_HEADERS);
        let mut entry = match entries.next() {
            None => return found.finish(),
            Some(Ok(entry)) => entry,
            Some(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(ArchiveError::LongName);
            }
            Some(Err(error)) => return Err(ArchiveError::Damaged(KIND, error)),
        };
        let name = entry.path_bytes();
        if name.len() > MAX_NAME {
            return Err(ArchiveError::LongName);
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let kind = entry.header().entry_type();
        left.set(u64::MAX);
        let mut content = (&mut entry).take(MAX_EXPANDED - expanded + 1);
        if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            found.file(&name, &mut content)?;
        } else if kind.is_dir() {
            found.entry(&name)?;
        } else if kind.is_pax_global_extensions() {
            // By the standard, its name is that of a temporary file and has no meaning.
            found.count()?;
        } else {
            return Err(ArchiveError::Special(name));
        }
        // Holes of a sparse file count too: a reader would have to read them as bytes.
        io::copy(&mut content, &mut io::sink())
            .map_err(|error| ArchiveError::Damaged(KIND, error))?;
        expanded = MAX_EXPANDED + 1 - content.limit();
        if expanded > MAX_EXPANDED {
            return Err(ArchiveError::TooLarge { what: "content".to_owned(), limit: MAX_EXPANDED });
        }
    }
}

/// A reader that fails, instead of ending, after `left` bytes.
struct Bounded<'a, R> {
    inner: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left
            .set(self.left.get().checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?);
        Ok(count)
    }
}
