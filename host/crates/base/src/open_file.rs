//! File that is opened once and read any number of times, also concurrently.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::digest::Digest;

/// Open file that stays the same when another file takes its name. Cheap to clone.
///
/// A program can still write to it. [`OpenFile::digest`] is computed once: a reader that needs the
/// content of that moment compares it with the digest of the bytes that it read.
#[derive(Debug, Clone)]
pub struct OpenFile {
    path: PathBuf,
    file: Arc<File>,
    digest: Arc<OnceLock<(Digest, u64)>>,
}

impl OpenFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Those of the operating system; a folder is rejected.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Self { path: path.to_owned(), file: Arc::new(file), digest: Arc::default() })
    }

    /// Returns the path that it was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its size in bytes now.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Returns the digest and the size at the time of the first call. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn digest(&self) -> io::Result<(Digest, u64)> {
        if let Some(known) = self.digest.get() {
            return Ok(*known);
        }
        let read = Digest::of_reader(self.reader())?;
        Ok(*self.digest.get_or_init(|| read))
    }

    /// Returns a reader at the beginning of the file, with its own position.
    pub fn reader(&self) -> FileReader {
        FileReader { file: Arc::clone(&self.file), position: 0 }
    }
}

/// Reader of an [`OpenFile`].
#[derive(Debug)]
pub struct FileReader {
    file: Arc<File>,
    position: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for FileReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.file.metadata()?.len().checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_takes_its_name_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("action.wasm");
        std::fs::write(&path, "first").unwrap();
        let file = OpenFile::open(&path).unwrap();
        std::fs::write(folder.path().join("new"), "second one").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        let mut text = String::new();
        file.reader().read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), file.size().unwrap()), ("first", 5));
        assert_eq!(file.digest().unwrap(), (Digest::of(b"first"), 5));
        assert!(OpenFile::open(folder.path()).is_err());
    }

    #[test]
    fn readers_have_positions_of_their_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "0123456789").unwrap();
        let file = OpenFile::open(file.path()).unwrap();
        let (mut one, mut other) = (file.reader(), file.reader());
        one.seek(SeekFrom::Start(7)).unwrap();
        let (mut end, mut all) = (String::new(), String::new());
        one.read_to_string(&mut end).unwrap();
        other.read_to_string(&mut all).unwrap();
        assert_eq!((end.as_str(), all.as_str()), ("789", "0123456789"));
        assert_eq!(one.seek(SeekFrom::End(-2)).unwrap(), 8);
        assert!(one.seek(SeekFrom::Current(-9)).is_err());
    }
}
