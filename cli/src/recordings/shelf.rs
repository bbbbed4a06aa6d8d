//! Recordings of the activations of a server: the last hundred, each in a folder of its own.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keynet_host::recording::{Recorder, RecordingError};

use super::Activation;
use crate::ui::console::Console;

/// Recordings that are kept.
const KEPT: usize = 100;

/// Digits of a folder's name.
const DIGITS: usize = 6;

/// Folder of the recordings of a server.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    limit: u64,
    numbers: Mutex<Numbers>,
}

#[derive(Debug, Default)]
struct Numbers {
    kept: BTreeSet<u64>,
    last: u64,
}

/// Recording of one activation of a server.
pub struct Recording {
    pub recorder: Recorder,
    number: u64,
}

impl Shelf {
    /// Opens the folder, which is new, empty, or has recordings of a server.
    ///
    /// # Errors
    /// It holds something else, or cannot be written.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, RecordingError> {
        let failed =
            |what| move |source| RecordingError::Io { what, folder: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("write"))?;
        let mut numbers = Numbers::default();
        for entry in fs::read_dir(folder).map_err(failed("read"))? {
            let name = entry.map_err(failed("read"))?.file_name();
            let Some(number) = name.to_str().and_then(number) else {
                return Err(RecordingError::Occupied {
                    folder: folder.to_owned(),
                    why: format!("it holds {}, which is no recording", name.display()),
                });
            };
            numbers.kept.insert(number);
            numbers.last = numbers.last.max(number);
        }
        Ok(Self { folder: folder.to_owned(), limit, numbers: Mutex::new(numbers) })
    }

    /// Begins the recording of an activation.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(&self) -> Result<Recording, RecordingError> {
        let number = {
            let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.last += 1;
            numbers.last
        };
        Ok(Recording { recorder: Recorder::create(&self.place(number), self.limit)?, number })
    }

    /// Writes a recording, and removes the oldest beyond a hundred. Blocks.
    ///
    /// # Errors
    /// It would be too large, or cannot be written.
    pub fn keep(
        &self,
        recording: Recording,
        ended: Activation<'_>,
        console: Console,
    ) -> Result<(), RecordingError> {
        let Recording { recorder, number } = recording;
        ended.keep(recorder, &self.place(number), console)?;
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.kept.insert(number);
        while numbers.kept.len() > KEPT {
            let Some(oldest) = numbers.kept.pop_first() else { break };
            if let Err(error) = fs::remove_dir_all(self.place(oldest)) {
                tracing::warn!(number = oldest, %error, "an old recording is not removed");
            }
        }
        Ok(())
    }

    fn place(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:0DIGITS$}"))
    }
}

fn number(name: &str) -> Option<u64> {
    let digits = name.len() >= DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("recordings");
        let shelf = Shelf::open(&place, 1 << 20).unwrap();
        assert_eq!(shelf.begin().unwrap().number, 1);
        fs::create_dir(place.join("000041")).unwrap();
        assert_eq!(Shelf::open(&place, 1 << 20).unwrap().begin().unwrap().number, 42);
        fs::write(place.join("notes.txt"), "mine").unwrap();
        let error = Shelf::open(&place, 1 << 20).unwrap_err().to_string();
        assert!(error.contains("notes.txt"), "{error}");
    }
}
