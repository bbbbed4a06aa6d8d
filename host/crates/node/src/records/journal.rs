//! The journal: changes in two files, until they are in the database.
//!
//! A change takes one write here, and eight writes and six locks in the database. Callers wait for
//! the journal only; the database gets many changes in one transaction. Changes are appended to one of the files while
//! the other one's are brought into the database; then the files change their parts. A file is
//! written over from its beginning: what is left of earlier changes has lower numbers than the
//! database has applied.
//!
//! ```text
//! frame = length of the entry: u32 | checksum: u32 | number: u64 | entry (postcard)
//! ```
//!
//! Numbers are little-endian. The checksum, CRC-32, is that of the entry and the number. Numbers
//! are consecutive over both files. The first frame that does not fit, or whose checksum is wrong,
//! ends a file: the process ended while it wrote it, and nobody was told that it is stored.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::database::private;
use super::entry::Entry;
use super::error::{RecordsError, Result};

/// Names of the files in the data folder.
pub const NAMES: [&str; 2] = ["activations-1.journal", "activations-2.journal"];

/// Bytes of a frame before its entry.
const HEAD: usize = 16;

/// An entry that has no number yet.
pub(super) struct Frame {
    bytes: Vec<u8>,
    /// Length of the entry.
    length: u32,
    /// Of the entry.
    checksum: crc32fast::Hasher,
}

impl Frame {
    /// Returns the frame of an entry.
    ///
    /// # Errors
    /// The entry is larger than 4 GiB.
    pub fn new(entry: &Entry<'_>) -> Result<Self, std::num::TryFromIntError> {
        // The size of an entry is more than that of its numbers, and is without the namespace.
        let mut head = Vec::with_capacity(HEAD + entry.namespace().len() + entry.bytes());
        head.resize(HEAD, 0);
        // Serialising numbers and texts to memory cannot fail.
        let bytes = postcard::to_extend(entry, head).unwrap_or_default();
        let entry = bytes.get(HEAD..).unwrap_or_default();
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(entry);
        Ok(Self { length: u32::try_from(entry.len())?, checksum, bytes })
    }

    fn numbered(&mut self, number: u64) -> &[u8] {
        let (length, number) = (self.length.to_le_bytes(), number.to_le_bytes());
        let mut checksum = self.checksum.clone();
        checksum.update(&number);
        let checksum = checksum.finalize().to_le_bytes();
        let head = length.into_iter().chain(checksum).chain(number);
        self.bytes.iter_mut().zip(head).for_each(|(byte, value)| *byte = value);
        &self.bytes
    }
}

/// Splits bytes of a file into numbers and entries.
pub(super) fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let (checksum, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let mut actual = crc32fast::Hasher::new();
        actual.update(entry);
        actual.update(number);
        if actual.finalize() != u32::from_le_bytes(*checksum) {
            return None;
        }
        bytes = rest;
        Some((u64::from_le_bytes(*number), entry))
    })
}

/// The changes of one file that are being brought into the database.
#[derive(Clone)]
pub(super) struct Part {
    file: Arc<File>,
    size: u64,
    /// Number of its last change.
    pub last: u64,
}

impl Part {
    /// Reads the frames.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

/// The two files.
pub(super) struct Journal {
    folder: PathBuf,
    /// The file that changes are appended to, and its size.
    file: Arc<File>,
    size: u64,
    /// The other file.
    other: Arc<File>,
    /// Changes of the other file that are not in the database.
    turned: Option<Part>,
    /// Number of the last change.
    last: u64,
    /// Number of the last change that is in the database.
    settled: u64,
}

impl Journal {
    /// Opens the files in `folder`, or creates them. Returns also what they hold, the older one's
    /// content first.
    pub fn open(folder: &Path) -> Result<(Self, [Vec<u8>; 2])> {
        let [first, second] = NAMES.map(|name| -> Result<_> {
            let (path, mut content) = (folder.join(name), Vec::new());
            let mut file = private(&path)?;
            io::Read::read_to_end(&mut file, &mut content)
                .map_err(|cause| RecordsError::io(&path, "read", cause))?;
            Ok((file, content))
        });
        let ((file, first), (other, second)) = (first?, second?);
        let number = |content: &[u8]| frames(content).next().map_or(0, |(number, _)| number);
        let content =
            if number(&first) <= number(&second) { [first, second] } else { [second, first] };
        let (file, other) = (Arc::new(file), Arc::new(other));
        let folder = folder.to_owned();
        let journal = Self { folder, file, size: 0, other, turned: None, last: 0, settled: 0 };
        Ok((journal, content))
    }

    /// Sets the number of the last change, which is in the database as all before it.
    pub fn begin_after(&mut self, last: u64) {
        (self.last, self.settled) = (last, last);
    }

    /// Appends changes with one write. Returns the bytes of the file before and after it.
    ///
    /// # Errors
    /// The file cannot be written; none of the changes is stored.
    pub fn append(&mut self, frames: &mut [Frame]) -> Result<(u64, u64)> {
        let before = self.size;
        let numbered = frames.iter_mut().zip(self.last + 1..);
        let parts: Vec<_> = numbered.map(|(frame, number)| frame.numbered(number)).collect();
        let bytes = match *parts {
            [only] => Cow::Borrowed(only),
            _ => Cow::Owned(parts.concat()),
        };
        self.file.write_all_at(&bytes, before).map_err(|cause| match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                RecordsError::Full { file: self.folder.clone() }
            }
            _ => {
                RecordsError::io(&self.folder, "write the journal of activation records in", cause)
            }
        })?;
        self.size += bytes.len() as u64;
        self.last += frames.len() as u64;
        Ok((before, self.size))
    }

    /// Returns the bytes of the file that changes are appended to.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the number of the last change.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Reports whether the change with this number is in the database.
    pub fn is_settled(&self, number: u64) -> bool {
        self.settled >= number
    }

    /// Returns the oldest changes that are not in the database. If they are those of the active
    /// file, further ones are appended to the other one.
    pub fn turn(&mut self) -> Option<Part> {
        if self.turned.is_none() && !self.is_settled(self.last) {
            let part = Part { file: Arc::clone(&self.file), size: self.size, last: self.last };
            std::mem::swap(&mut self.file, &mut self.other);
            self.size = 0;
            self.turned = Some(part);
        }
        self.turned.clone()
    }

    /// Frees the file of changes that [`turn`](Self::turn) returned and that are in the database.
    pub fn settle(&mut self, part: &Part) {
        self.settled = part.last;
        self.turned = None;
    }
}
